import MQWire

/// What a push consumer does with what it gets, and its limits; the defaults are RocketMQ's.
public struct PushConsumerConfiguration: Sendable {
    /// Whether messages of a queue are handled side by side or one after the other.
    public enum Order: Sendable {
        /// As many at once as ``PushConsumerConfiguration/concurrency`` allows, in any order.
        case concurrent
        /// One after the other in each queue, which the broker locks for this member. A failed message is tried again
        /// before the next.
        case orderly
    }

    /// How the members of a group share messages.
    public enum Model: Sendable {
        /// Each message goes to one member.
        case clustering
        /// Every member gets every message.
        case broadcasting

        var wireValue: MessageModel { self == .clustering ? .clustering : .broadcasting }
    }

    /// The group.
    public var group: String
    /// Whether the members share the messages or each gets all.
    public var messageModel: Model
    /// Where a group begins that has no offset yet.
    public var startsFrom: ConsumeStart
    /// How the members divide the queues.
    public var strategy: RebalanceStrategy
    /// Side by side or in order.
    public var order: Order
    /// Handlers at once, over all queues.
    public var concurrency: Int
    /// Messages that one call of the handler gets at most.
    public var handlerBatch: Int
    /// Messages asked for at once.
    public var pullBatch: Int
    /// Messages of a queue that may wait for the handler.
    public var bufferedMessages: Int
    /// Bytes of bodies of a queue that may wait for the handler.
    public var bufferedBytes: Int
    /// Offsets of a queue between the first that is not done and the last that was taken.
    public var bufferedSpan: Int64
    /// How long a broker may hold a pull.
    public var hold: Duration
    /// Tries of a message before it is a dead letter; `nil` is 16, and for an orderly consumer no limit.
    public var maxReconsumeTimes: Int32?
    /// How long an orderly queue rests after a failure.
    public var orderlyPause: Duration
    /// How often the shares are computed, apart from news of the group.
    public var rebalanceInterval: Duration
    /// How often offsets are committed.
    public var commitInterval: Duration
    /// The folder for a broadcasting member's offsets, which no broker keeps; `nil` forgets them at the end.
    public var offsetFolder: String?

    /// The defaults, for a group.
    public init(
        group: String, messageModel: Model = .clustering, startsFrom: ConsumeStart = .end,
        strategy: RebalanceStrategy = .average, order: Order = .concurrent, concurrency: Int = 20,
        handlerBatch: Int = 1, pullBatch: Int = 32, bufferedMessages: Int = 1000,
        bufferedBytes: Int = 100 * 1024 * 1024, bufferedSpan: Int64 = 2000, hold: Duration = .seconds(15),
        maxReconsumeTimes: Int32? = nil, orderlyPause: Duration = .seconds(1),
        rebalanceInterval: Duration = .seconds(20), commitInterval: Duration = .seconds(5),
        offsetFolder: String? = nil
    ) {
        self.group = group
        self.messageModel = messageModel
        self.startsFrom = startsFrom
        self.strategy = strategy
        self.order = order
        self.concurrency = concurrency
        self.handlerBatch = handlerBatch
        self.pullBatch = pullBatch
        self.bufferedMessages = bufferedMessages
        self.bufferedBytes = bufferedBytes
        self.bufferedSpan = bufferedSpan
        self.hold = hold
        self.maxReconsumeTimes = maxReconsumeTimes
        self.orderlyPause = orderlyPause
        self.rebalanceInterval = rebalanceInterval
        self.commitInterval = commitInterval
        self.offsetFolder = offsetFolder
    }

    func validate() throws(MQClientError) {
        for (name, value, range) in [
            ("concurrency", concurrency, 1...4096), ("handlerBatch", handlerBatch, 1...1024),
            ("pullBatch", pullBatch, 1...1024), ("bufferedMessages", bufferedMessages, 1...65_536),
            ("bufferedBytes", bufferedBytes, 1...(1 << 30)),
        ] where !range.contains(value) {
            throw .invalid(reason: "\(name) is \(value) (accepted: \(range.lowerBound) to \(range.upperBound))")
        }
        guard hold > .zero else {
            throw .invalid(reason: "hold is \(hold) (expected more than 0, or brokers would be asked all the time)")
        }
        guard !group.isEmpty else { throw .invalid(reason: "the group is empty (expected a name)") }
    }
}

/// Where a group begins that has no offset yet.
public enum ConsumeStart: Sendable, Hashable {
    /// With what comes from now on.
    case end
    /// With what is there.
    case beginning
    /// With what was stored since a time, in milliseconds since 1970.
    case time(milliseconds: Int64)

    var wireValue: ConsumeFromWhere {
        switch self {
        case .end: .lastOffset
        case .beginning: .firstOffset
        case .time: .timestamp
        }
    }
}

/// What became of messages that a handler got.
public enum ConsumeOutcome: Sendable, Hashable {
    /// They are done.
    case done
    /// They shall come again: after the time of a delay level, 0 for one that grows with the tries; an orderly queue
    /// tries again after its pause.
    case later(delayLevel: Int32 = 0)
}
