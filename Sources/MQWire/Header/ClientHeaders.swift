/// The fields of request 35.
public struct UnregisterClientRequestHeader: CommandHeader, Equatable {
    /// The client.
    public var clientID: String
    /// The group that it produces in no more.
    public var producerGroup: String?
    /// The group that it consumes in no more.
    public var consumerGroup: String?

    /// A header with the given values.
    public init(clientID: String, producerGroup: String? = nil, consumerGroup: String? = nil) {
        self.clientID = clientID
        self.producerGroup = producerGroup
        self.consumerGroup = consumerGroup
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        clientID = try fields.required("clientID")
        producerGroup = fields["producerGroup"]
        consumerGroup = fields["consumerGroup"]
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("clientID", clientID)
        if let producerGroup { fields.append("producerGroup", producerGroup) }
        if let consumerGroup { fields.append("consumerGroup", consumerGroup) }
        return fields
    }
}

/// The field of requests 38 and 40: a consumer group.
public struct ConsumerGroupRequestHeader: CommandHeader, Equatable {
    /// The group.
    public var consumerGroup: String

    /// A header with the given values.
    public init(consumerGroup: String) {
        self.consumerGroup = consumerGroup
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        consumerGroup = try fields.required("consumerGroup")
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("consumerGroup", consumerGroup)
        return fields
    }
}

/// The fields of request 36.
public struct ConsumerSendMessageBackRequestHeader: CommandHeader, Equatable {
    /// The message's commit-log offset.
    public var offset: Int64
    /// The consumer group.
    public var group: String
    /// When to try again: 0 by count, negative never.
    public var delayLevel: Int32
    /// The message's id.
    public var originMessageID: String?
    /// Its first topic.
    public var originTopic: String?
    /// A mode of multi-tenant installations.
    public var unitMode: Bool
    /// After this many tries it is a dead letter.
    public var maxReconsumeTimes: Int32?

    /// A header with the given values.
    public init(
        offset: Int64, group: String, delayLevel: Int32, originMessageID: String? = nil, originTopic: String? = nil,
        unitMode: Bool = false, maxReconsumeTimes: Int32? = nil
    ) {
        self.offset = offset
        self.group = group
        self.delayLevel = delayLevel
        self.originMessageID = originMessageID
        self.originTopic = originTopic
        self.unitMode = unitMode
        self.maxReconsumeTimes = maxReconsumeTimes
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        offset = try fields.required("offset", as: Int64.self)
        group = try fields.required("group")
        delayLevel = try fields.required("delayLevel", as: Int32.self)
        originMessageID = fields["originMsgId"]
        originTopic = fields["originTopic"]
        unitMode = fields.flag("unitMode")
        maxReconsumeTimes = try fields.optional("maxReconsumeTimes", as: Int32.self)
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("offset", String(offset))
        fields.append("group", group)
        fields.append("delayLevel", String(delayLevel))
        if let originMessageID { fields.append("originMsgId", originMessageID) }
        if let originTopic { fields.append("originTopic", originTopic) }
        fields.append("unitMode", unitMode ? "true" : "false")
        if let maxReconsumeTimes { fields.append("maxReconsumeTimes", String(maxReconsumeTimes)) }
        return fields
    }
}

/// The fields of request 37.
public struct EndTransactionRequestHeader: CommandHeader, Equatable {
    /// The producer's group.
    public var producerGroup: String
    /// The half message's queue offset.
    public var tranStateTableOffset: Int64
    /// The half message's commit-log offset.
    public var commitLogOffset: Int64
    /// 8 commit, 12 roll back, 0 unknown.
    public var commitOrRollback: Int32
    /// Whether this answers a check.
    public var fromTransactionCheck: Bool
    /// The client's unique id.
    public var messageID: String?
    /// The transaction.
    public var transactionID: String?

    /// A header with the given values.
    public init(
        producerGroup: String, tranStateTableOffset: Int64, commitLogOffset: Int64, commitOrRollback: Int32,
        fromTransactionCheck: Bool = false, messageID: String? = nil, transactionID: String? = nil
    ) {
        self.producerGroup = producerGroup
        self.tranStateTableOffset = tranStateTableOffset
        self.commitLogOffset = commitLogOffset
        self.commitOrRollback = commitOrRollback
        self.fromTransactionCheck = fromTransactionCheck
        self.messageID = messageID
        self.transactionID = transactionID
    }

    /// Reads the fields.
    public init(fields: ExtFields) throws(HeaderError) {
        producerGroup = try fields.required("producerGroup")
        tranStateTableOffset = try fields.required("tranStateTableOffset", as: Int64.self)
        commitLogOffset = try fields.required("commitLogOffset", as: Int64.self)
        commitOrRollback = try fields.required("commitOrRollback", as: Int32.self)
        fromTransactionCheck = fields.flag("fromTransactionCheck")
        messageID = fields["msgId"]
        transactionID = fields["transactionId"]
    }

    /// The fields as they go on the wire.
    public var fields: ExtFields {
        var fields = ExtFields()
        fields.append("producerGroup", producerGroup)
        fields.append("tranStateTableOffset", String(tranStateTableOffset))
        fields.append("commitLogOffset", String(commitLogOffset))
        fields.append("commitOrRollback", String(commitOrRollback))
        fields.append("fromTransactionCheck", fromTransactionCheck ? "true" : "false")
        if let messageID { fields.append("msgId", messageID) }
        if let transactionID { fields.append("transactionId", transactionID) }
        return fields
    }
}
