import MQWire

/// What a broker knows of a consumer group; the defaults are RocketMQ's.
public struct ConsumerGroupSettings: Sendable, Hashable {
    /// The group.
    public var group: String
    /// Whether it may consume.
    public var mayConsume: Bool
    /// Whether it may begin at a queue's first message.
    public var mayStartAtMinimum: Bool
    /// Whether it may broadcast.
    public var mayBroadcast: Bool
    /// The queues of its retry topic.
    public var retryQueues: Int32
    /// Tries of a message before it is a dead letter.
    public var retryMaximum: Int32
    /// The broker of a set to read from; 0 is the master.
    public var brokerID: Int64
    /// The broker to read from when the group lags behind.
    public var slowBrokerID: Int64
    /// Whether members are told when the group changes.
    public var notifiesMembers: Bool

    /// A group with the defaults, or others.
    public init(
        group: String, mayConsume: Bool = true, mayStartAtMinimum: Bool = true, mayBroadcast: Bool = true,
        retryQueues: Int32 = 1, retryMaximum: Int32 = 16, brokerID: Int64 = 0, slowBrokerID: Int64 = 1,
        notifiesMembers: Bool = true
    ) {
        self.group = group
        self.mayConsume = mayConsume
        self.mayStartAtMinimum = mayStartAtMinimum
        self.mayBroadcast = mayBroadcast
        self.retryQueues = retryQueues
        self.retryMaximum = retryMaximum
        self.brokerID = brokerID
        self.slowBrokerID = slowBrokerID
        self.notifiesMembers = notifiesMembers
    }

    var wire: SubscriptionGroup {
        var wire = SubscriptionGroup(name: group)
        wire.consumeEnabled = mayConsume
        wire.consumeFromMinimum = mayStartAtMinimum
        wire.broadcastEnabled = mayBroadcast
        wire.retryQueues = retryQueues
        wire.retryMaximum = retryMaximum
        wire.brokerID = brokerID
        wire.slowConsumptionBrokerID = slowBrokerID
        wire.notifiesMembers = notifiesMembers
        return wire
    }
}
