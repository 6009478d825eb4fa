/// The fields of request 17.
public struct CreateTopicRequestHeader: CommandHeader, Equatable {
    /// The topic.
    public var topic: String
    /// The template for settings, `TBW102`.
    public var defaultTopic: String?
    /// How many queues are read.
    public var readQueueNums: Int32
    /// How many queues are written.
    public var writeQueueNums: Int32
    /// Bits: 4 read, 2 write, 1 inherited by automatic topics.
    public var perm: Int32
    /// `SINGLE_TAG` or `MULTI_TAG`.
    public var topicFilterType: String?
    /// Unit-mode bits.
    public var topicSysFlag: Int32?
    /// Whether the order across queues is configured.
    public var order: Bool

    /// A header with the given values.
    public init(
        topic: String, defaultTopic: String? = "TBW102", readQueueNums: Int32, writeQueueNums: Int32, perm: Int32 = 6,
        topicFilterType: String? = "SINGLE_TAG", topicSysFlag: Int32? = 0, order: Bool = false
    ) {
        self.topic = topic
        self.defaultTopic = defaultTopic
        self.readQueueNums = readQueueNums
        self.writeQueueNums = writeQueueNums
        self.perm = perm
        self.topicFilterType = topicFilterType
        self.topicSysFlag = topicSysFlag
        self.order = order
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        topic = try fields.required("topic")
        defaultTopic = fields["defaultTopic"]
        readQueueNums = try fields.required("readQueueNums", as: Int32.self)
        writeQueueNums = try fields.required("writeQueueNums", as: Int32.self)
        perm = try fields.optional("perm", as: Int32.self) ?? 6
        topicFilterType = fields["topicFilterType"]
        topicSysFlag = try fields.optional("topicSysFlag", as: Int32.self)
        order = fields.flag("order")
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("topic", topic)
        if let defaultTopic { fields.append("defaultTopic", defaultTopic) }
        fields.append("readQueueNums", String(readQueueNums))
        fields.append("writeQueueNums", String(writeQueueNums))
        fields.append("perm", String(perm))
        if let topicFilterType { fields.append("topicFilterType", topicFilterType) }
        if let topicSysFlag { fields.append("topicSysFlag", String(topicSysFlag)) }
        fields.append("order", order ? "true" : "false")
        return fields
    }
}

/// The field of requests 105, 202, 215, 216 and 300: a topic.
public struct TopicRequestHeader: CommandHeader, Equatable {
    /// The topic.
    public var topic: String

    /// A header with the given values.
    public init(topic: String) {
        self.topic = topic
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        topic = try fields.required("topic")
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("topic", topic)
        return fields
    }
}
