/// The members of a consumer group: the answer to request 38.
public struct ConsumerList: JSONBody, Equatable {
    /// Client ids.
    public var clientIDs: [String]

    /// A list.
    public init(clientIDs: [String]) { self.clientIDs = clientIDs }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        clientIDs = json["consumerIdList"]?.arrayValue?.compactMap(\.stringValue) ?? []
    }

    /// The value.
    public var json: JSONValue { ["consumerIdList": .array(clientIDs.map { .string($0) })] }
}
