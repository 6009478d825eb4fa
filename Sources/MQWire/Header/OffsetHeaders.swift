/// The fields of request 14.
public struct QueryConsumerOffsetRequestHeader: CommandHeader, Equatable {
    /// The group.
    public var consumerGroup: String
    /// The queue's topic.
    public var topic: String
    /// The queue.
    public var queueID: Int32

    /// A header with the given values.
    public init(consumerGroup: String, topic: String, queueID: Int32) {
        self.consumerGroup = consumerGroup
        self.topic = topic
        self.queueID = queueID
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        consumerGroup = try fields.required("consumerGroup")
        topic = try fields.required("topic")
        queueID = try fields.required("queueId", as: Int32.self)
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("consumerGroup", consumerGroup)
        fields.append("topic", topic)
        fields.append("queueId", String(queueID))
        return fields
    }
}

/// The fields of request 15.
public struct UpdateConsumerOffsetRequestHeader: CommandHeader, Equatable {
    /// The group.
    public var consumerGroup: String
    /// The queue's topic.
    public var topic: String
    /// The queue.
    public var queueID: Int32
    /// The next offset to consume.
    public var commitOffset: Int64

    /// A header with the given values.
    public init(consumerGroup: String, topic: String, queueID: Int32, commitOffset: Int64) {
        self.consumerGroup = consumerGroup
        self.topic = topic
        self.queueID = queueID
        self.commitOffset = commitOffset
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        consumerGroup = try fields.required("consumerGroup")
        topic = try fields.required("topic")
        queueID = try fields.required("queueId", as: Int32.self)
        commitOffset = try fields.required("commitOffset", as: Int64.self)
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("consumerGroup", consumerGroup)
        fields.append("topic", topic)
        fields.append("queueId", String(queueID))
        fields.append("commitOffset", String(commitOffset))
        return fields
    }
}

/// The fields of requests 30, 31 and 32: a queue.
public struct QueueRequestHeader: CommandHeader, Equatable {
    /// The queue's topic.
    public var topic: String
    /// The queue.
    public var queueID: Int32

    /// A header with the given values.
    public init(topic: String, queueID: Int32) {
        self.topic = topic
        self.queueID = queueID
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        topic = try fields.required("topic")
        queueID = try fields.required("queueId", as: Int32.self)
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("topic", topic)
        fields.append("queueId", String(queueID))
        return fields
    }
}

/// The fields of request 29.
public struct SearchOffsetRequestHeader: CommandHeader, Equatable {
    /// The queue's topic.
    public var topic: String
    /// The queue.
    public var queueID: Int32
    /// The time looked for, in milliseconds since 1970.
    public var timestamp: Int64

    /// A header with the given values.
    public init(topic: String, queueID: Int32, timestamp: Int64) {
        self.topic = topic
        self.queueID = queueID
        self.timestamp = timestamp
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        topic = try fields.required("topic")
        queueID = try fields.required("queueId", as: Int32.self)
        timestamp = try fields.required("timestamp", as: Int64.self)
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("topic", topic)
        fields.append("queueId", String(queueID))
        fields.append("timestamp", String(timestamp))
        return fields
    }
}

/// The field of the answers to requests 14, 29, 30 and 31.
public struct OffsetResponseHeader: CommandHeader, Equatable {
    /// The offset asked for.
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

/// The field of the answer to request 32.
public struct EarliestStoreTimeResponseHeader: CommandHeader, Equatable {
    /// When the first message was stored, in milliseconds since 1970; −1 when there is none.
    public var timestamp: Int64

    /// A header with the given values.
    public init(timestamp: Int64) {
        self.timestamp = timestamp
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        timestamp = try fields.required("timestamp", as: Int64.self)
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("timestamp", String(timestamp))
        return fields
    }
}
