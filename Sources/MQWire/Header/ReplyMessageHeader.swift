/// The fields of request 326: a reply on its way to whoever asked.
public struct ReplyMessageRequestHeader: CommandHeader, Equatable {
    /// The reply as its sender described it.
    public var message: SendMessageRequestHeader
    /// Where the reply comes from, `host:port`.
    public var bornHost: String
    /// The broker, `host:port`.
    public var storeHost: String
    /// When the broker passed it on, in milliseconds since 1970.
    public var storeTimestamp: Int64

    /// A header with the given values.
    public init(message: SendMessageRequestHeader, bornHost: String, storeHost: String, storeTimestamp: Int64) {
        self.message = message
        self.bornHost = bornHost
        self.storeHost = storeHost
        self.storeTimestamp = storeTimestamp
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        message = try SendMessageRequestHeader(fields: fields)
        bornHost = try fields.required("bornHost")
        storeHost = try fields.required("storeHost")
        storeTimestamp = try fields.required("storeTimestamp", as: Int64.self)
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = message.fields
        fields.append("bornHost", bornHost)
        fields.append("storeHost", storeHost)
        fields.append("storeTimestamp", String(storeTimestamp))
        return fields
    }
}
