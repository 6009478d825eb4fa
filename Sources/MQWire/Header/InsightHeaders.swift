/// The field of request 204: a producer group.
public struct ProducerGroupRequestHeader: CommandHeader, Equatable {
    /// The group.
    public var producerGroup: String

    /// A header with the given values.
    public init(producerGroup: String) { self.producerGroup = producerGroup }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) { producerGroup = try fields.required("producerGroup") }

    /// The fields as they go on the wire.
    public var fields: ExtFields { ["producerGroup": producerGroup] }
}

/// The fields of request 208.
public struct ConsumeStatsRequestHeader: CommandHeader, Equatable {
    /// The group.
    public var consumerGroup: String
    /// One topic; all that the group has offsets of when absent or empty.
    public var topic: String?

    /// A header with the given values.
    public init(consumerGroup: String, topic: String? = nil) {
        self.consumerGroup = consumerGroup
        self.topic = topic
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        consumerGroup = try fields.required("consumerGroup")
        topic = fields["topic"].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("consumerGroup", consumerGroup)
        if let topic { fields.append("topic", topic) }
        return fields
    }
}

/// The fields of requests 222 and 220: set a group back, or on, to a time.
public struct ResetOffsetRequestHeader: CommandHeader, Equatable {
    /// The topic.
    public var topic: String
    /// The group.
    public var group: String
    /// The time, in milliseconds since 1970; -1 for the queues' ends.
    public var timestamp: Int64
    /// Whether the group may be moved on, too.
    public var isForced: Bool

    /// A header with the given values.
    public init(topic: String, group: String, timestamp: Int64, isForced: Bool) {
        self.topic = topic
        self.group = group
        self.timestamp = timestamp
        self.isForced = isForced
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        topic = try fields.required("topic")
        group = try fields.required("group")
        timestamp = try fields.required("timestamp", as: Int64.self)
        isForced = fields.flag("isForce")
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("topic", topic)
        fields.append("group", group)
        fields.append("timestamp", String(timestamp))
        fields.append("isForce", isForced ? "true" : "false")
        return fields
    }
}

/// The fields of request 307: one member of a group.
public struct ConsumerRunningInfoRequestHeader: CommandHeader, Equatable {
    /// The group.
    public var consumerGroup: String
    /// The member.
    public var clientID: String

    /// A header with the given values.
    public init(consumerGroup: String, clientID: String) {
        self.consumerGroup = consumerGroup
        self.clientID = clientID
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        consumerGroup = try fields.required("consumerGroup")
        clientID = try fields.required("clientId")
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields { ["consumerGroup": consumerGroup, "clientId": clientID] }
}
