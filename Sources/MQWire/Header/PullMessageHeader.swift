/// The fields of request 11.
public struct PullMessageRequestHeader: CommandHeader, Equatable {
    /// ``sysFlag`` bit: ``commitOffset`` is meant.
    public static let commitOffsetFlag: Int32 = 1
    /// ``sysFlag`` bit: the broker may hold the request.
    public static let suspendFlag: Int32 = 2
    /// ``sysFlag`` bit: ``subscription`` is meant.
    public static let subscriptionFlag: Int32 = 4
    /// ``sysFlag`` bit: a class filter is used.
    public static let classFilterFlag: Int32 = 8

    /// The reader's group.
    public var consumerGroup: String
    /// The queue's topic.
    public var topic: String
    /// The queue.
    public var queueID: Int32
    /// Where to read from.
    public var queueOffset: Int64
    /// How many messages at most.
    public var maxMessages: Int32
    /// See the flags above.
    public var sysFlag: Int32
    /// The group's offset, committed on the way if the flag says so.
    public var commitOffset: Int64
    /// How long the broker may hold the request.
    public var suspendTimeoutMilliseconds: Int64
    /// Tags as `a || b`, or `*`.
    public var subscription: String?
    /// When the subscription was last changed.
    public var subscriptionVersion: Int64
    /// `TAG`, or a filter language.
    public var expressionType: String?

    /// A pull; what is left out reads everything at once, without hold and commit.
    public init(
        consumerGroup: String, topic: String, queueID: Int32, queueOffset: Int64, maxMessages: Int32,
        sysFlag: Int32 = PullMessageRequestHeader.subscriptionFlag, commitOffset: Int64 = 0,
        suspendTimeoutMilliseconds: Int64 = 0, subscription: String? = "*", subscriptionVersion: Int64 = 0,
        expressionType: String? = "TAG"
    ) {
        self.consumerGroup = consumerGroup
        self.topic = topic
        self.queueID = queueID
        self.queueOffset = queueOffset
        self.maxMessages = maxMessages
        self.sysFlag = sysFlag
        self.commitOffset = commitOffset
        self.suspendTimeoutMilliseconds = suspendTimeoutMilliseconds
        self.subscription = subscription
        self.subscriptionVersion = subscriptionVersion
        self.expressionType = expressionType
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        consumerGroup = try fields.required("consumerGroup")
        topic = try fields.required("topic")
        queueID = try fields.required("queueId", as: Int32.self)
        queueOffset = try fields.required("queueOffset", as: Int64.self)
        maxMessages = try fields.required("maxMsgNums", as: Int32.self)
        sysFlag = try fields.required("sysFlag", as: Int32.self)
        commitOffset = try fields.optional("commitOffset", as: Int64.self) ?? 0
        suspendTimeoutMilliseconds = try fields.optional("suspendTimeoutMillis", as: Int64.self) ?? 0
        subscription = fields["subscription"]
        subscriptionVersion = try fields.optional("subVersion", as: Int64.self) ?? 0
        expressionType = fields["expressionType"]
    }

    /// The fields.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("consumerGroup", consumerGroup)
        fields.append("topic", topic)
        fields.append("queueId", String(queueID))
        fields.append("queueOffset", String(queueOffset))
        fields.append("maxMsgNums", String(maxMessages))
        fields.append("sysFlag", String(sysFlag))
        fields.append("commitOffset", String(commitOffset))
        fields.append("suspendTimeoutMillis", String(suspendTimeoutMilliseconds))
        if let subscription { fields.append("subscription", subscription) }
        fields.append("subVersion", String(subscriptionVersion))
        if let expressionType { fields.append("expressionType", expressionType) }
        return fields
    }

    /// Whether the broker may hold this request.
    public var allowsHold: Bool { sysFlag & Self.suspendFlag != 0 }
    /// Whether ``commitOffset`` is to be committed.
    public var commitsOffset: Bool { sysFlag & Self.commitOffsetFlag != 0 }
    /// Whether ``subscription`` counts, or the one of the group's heartbeat.
    public var hasSubscription: Bool { sysFlag & Self.subscriptionFlag != 0 }
}

/// The fields of the answer to a pull, whatever its code.
public struct PullMessageResponseHeader: CommandHeader, Equatable {
    /// The broker id to read from next: 0 the master, 1 its first slave.
    public var suggestedBrokerID: Int64
    /// Where to go on.
    public var nextBeginOffset: Int64
    /// The queue's beginning.
    public var minOffset: Int64
    /// The queue's end: the offset of the next message to come.
    public var maxOffset: Int64

    /// An answer.
    public init(suggestedBrokerID: Int64 = 0, nextBeginOffset: Int64, minOffset: Int64, maxOffset: Int64) {
        self.suggestedBrokerID = suggestedBrokerID
        self.nextBeginOffset = nextBeginOffset
        self.minOffset = minOffset
        self.maxOffset = maxOffset
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        suggestedBrokerID = try fields.optional("suggestWhichBrokerId", as: Int64.self) ?? 0
        nextBeginOffset = try fields.required("nextBeginOffset", as: Int64.self)
        minOffset = try fields.required("minOffset", as: Int64.self)
        maxOffset = try fields.required("maxOffset", as: Int64.self)
    }

    /// The fields.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("suggestWhichBrokerId", String(suggestedBrokerID))
        fields.append("nextBeginOffset", String(nextBeginOffset))
        fields.append("minOffset", String(minOffset))
        fields.append("maxOffset", String(maxOffset))
        return fields
    }
}
