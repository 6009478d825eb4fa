/// The fields of request 12.
public struct QueryMessageRequestHeader: CommandHeader, Equatable {
    /// The topic.
    public var topic: String
    /// The key; a unique id if `isUniqueKey`.
    public var key: String
    /// How many messages at most.
    public var maxMessages: Int32
    /// Not stored before, in milliseconds since 1970.
    public var beginTimestamp: Int64
    /// Not stored after, in milliseconds since 1970.
    public var endTimestamp: Int64
    /// Whether the key is a client's unique id.
    public var isUniqueKey: Bool

    /// A header with the given values.
    public init(
        topic: String, key: String, maxMessages: Int32, beginTimestamp: Int64 = 0, endTimestamp: Int64 = Int64.max,
        isUniqueKey: Bool = false
    ) {
        self.topic = topic
        self.key = key
        self.maxMessages = maxMessages
        self.beginTimestamp = beginTimestamp
        self.endTimestamp = endTimestamp
        self.isUniqueKey = isUniqueKey
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        topic = try fields.required("topic")
        key = try fields.required("key")
        maxMessages = try fields.required("maxNum", as: Int32.self)
        beginTimestamp = try fields.optional("beginTimestamp", as: Int64.self) ?? 0
        endTimestamp = try fields.optional("endTimestamp", as: Int64.self) ?? Int64.max
        isUniqueKey = fields.flag("_UNIQUE_KEY_QUERY")
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("topic", topic)
        fields.append("key", key)
        fields.append("maxNum", String(maxMessages))
        fields.append("beginTimestamp", String(beginTimestamp))
        fields.append("endTimestamp", String(endTimestamp))
        fields.append("_UNIQUE_KEY_QUERY", isUniqueKey ? "true" : "false")
        return fields
    }
}

/// The fields of the answer to request 12.
public struct QueryMessageResponseHeader: CommandHeader, Equatable {
    /// The last indexed message's store time.
    public var indexLastUpdateTimestamp: Int64
    /// The last indexed message's commit-log offset.
    public var indexLastUpdateOffset: Int64

    /// A header with the given values.
    public init(indexLastUpdateTimestamp: Int64, indexLastUpdateOffset: Int64) {
        self.indexLastUpdateTimestamp = indexLastUpdateTimestamp
        self.indexLastUpdateOffset = indexLastUpdateOffset
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        indexLastUpdateTimestamp = try fields.required("indexLastUpdateTimestamp", as: Int64.self)
        indexLastUpdateOffset = try fields.required("indexLastUpdatePhyoffset", as: Int64.self)
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("indexLastUpdateTimestamp", String(indexLastUpdateTimestamp))
        fields.append("indexLastUpdatePhyoffset", String(indexLastUpdateOffset))
        return fields
    }
}

/// The field of request 33.
public struct ViewMessageRequestHeader: CommandHeader, Equatable {
    /// The message's commit-log offset.
    public var offset: Int64

    /// A header with the given values.
    public init(offset: Int64) {
        self.offset = offset
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        offset = try fields.required("offset", as: Int64.self)
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("offset", String(offset))
        return fields
    }
}
