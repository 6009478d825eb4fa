/// What a broker knows of a consumer group: the body of request 200, and a part of the answer to 201 and of the file
/// `subscriptionGroup.json`. The defaults are RocketMQ's.
public struct SubscriptionGroup: JSONBody, Hashable {
    /// The group.
    public var name: String
    /// Whether it may consume.
    public var consumeEnabled = true
    /// Whether it may begin at a queue's first message.
    public var consumeFromMinimum = true
    /// Whether it may broadcast.
    public var broadcastEnabled = true
    /// The queues of its retry topic.
    public var retryQueues: Int32 = 1
    /// Tries of a message before it is a dead letter.
    public var retryMaximum: Int32 = 16
    /// The broker of a set to read from; 0 is the master.
    public var brokerID: Int64 = 0
    /// The broker to read from when the group lags behind.
    public var slowConsumptionBrokerID: Int64 = 1
    /// Whether members are told when the group changes.
    public var notifiesMembers = true

    /// A group with the defaults.
    public init(name: String) { self.name = name }

    /// Reads the value; what is absent has its default.
    public init(json: JSONValue) throws(BodyError) {
        self.init(name: try json.requiredString("groupName", of: Self.self))
        consumeEnabled = json["consumeEnable"]?.boolValue ?? consumeEnabled
        consumeFromMinimum = json["consumeFromMinEnable"]?.boolValue ?? consumeFromMinimum
        broadcastEnabled = json["consumeBroadcastEnable"]?.boolValue ?? broadcastEnabled
        retryQueues = json.int32("retryQueueNums") ?? retryQueues
        retryMaximum = json.int32("retryMaxTimes") ?? retryMaximum
        brokerID = json["brokerId"]?.integerValue ?? brokerID
        slowConsumptionBrokerID = json["whichBrokerWhenConsumeSlowly"]?.integerValue ?? slowConsumptionBrokerID
        notifiesMembers = json["notifyConsumerIdsChangedEnable"]?.boolValue ?? notifiesMembers
    }

    /// The value.
    public var json: JSONValue {
        [
            "brokerId": .integer(brokerID), "consumeBroadcastEnable": .bool(broadcastEnabled),
            "consumeEnable": .bool(consumeEnabled), "consumeFromMinEnable": .bool(consumeFromMinimum),
            "groupName": .string(name), "notifyConsumerIdsChangedEnable": .bool(notifiesMembers),
            "retryMaxTimes": .integer(Int64(retryMaximum)), "retryQueueNums": .integer(Int64(retryQueues)),
            "whichBrokerWhenConsumeSlowly": .integer(slowConsumptionBrokerID),
        ]
    }
}
