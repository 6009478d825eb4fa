public import NIOCore

/// What a consumer is and how far: its answer to request 307.
public struct ConsumerRunningInfo: Sendable, Equatable {
    /// One queue that it reads.
    public struct Queue: Sendable, Equatable {
        /// Which.
        public var queue: QueueIdentity
        /// Where the group would go on without this consumer.
        public var commitOffset: Int64
        /// Whether it is locked, for reading in order.
        public var isLocked: Bool
        /// When it was last locked, asked for messages and consumed, in milliseconds since 1970; 0 for never.
        public var lastLock: Int64
        /// See ``lastLock``.
        public var lastPull: Int64
        /// See ``lastLock``.
        public var lastConsume: Int64

        /// One queue.
        public init(
            queue: QueueIdentity, commitOffset: Int64, isLocked: Bool = false, lastLock: Int64 = 0, lastPull: Int64 = 0,
            lastConsume: Int64 = 0
        ) {
            self.queue = queue
            self.commitOffset = commitOffset
            self.isLocked = isLocked
            self.lastLock = lastLock
            self.lastPull = lastPull
            self.lastConsume = lastConsume
        }
    }

    /// Settings, by RocketMQ's names.
    public var properties: [String: String]
    /// What it wants.
    public var subscriptions: [SubscriptionData]
    /// What it reads.
    public var queues: [Queue]

    /// What a consumer is.
    public init(properties: [String: String], subscriptions: [SubscriptionData], queues: [Queue]) {
        self.properties = properties
        self.subscriptions = subscriptions
        self.queues = queues
    }

    /// Reads a body; what a queue lacks is 0.
    public init(decoding buffer: ByteBuffer?) throws(BodyError) {
        let json = try JSONValue(body: buffer, of: "ConsumerRunningInfo")
        let members = json["properties"]?.objectValue ?? []
        properties = Dictionary(
            members.map { ($0.key, $0.value.stringValue ?? $0.value.text) }, uniquingKeysWith: { $1 })
        subscriptions = []
        for value in json["subscriptionSet"]?.arrayValue ?? [] {
            subscriptions.append(try SubscriptionData(json: value))
        }
        queues = try QueueTable.entries(json["mqTable"], of: "ConsumerRunningInfo").map { queue, value in
            Queue(
                queue: queue, commitOffset: value["commitOffset"]?.integerValue ?? 0,
                isLocked: value["locked"]?.boolValue ?? false, lastLock: value["lastLockTimestamp"]?.integerValue ?? 0,
                lastPull: value["lastPullTimestamp"]?.integerValue ?? 0,
                lastConsume: value["lastConsumeTimestamp"]?.integerValue ?? 0)
        }
    }

    /// The body's bytes.
    public func encoded() -> ByteBuffer {
        var buffer = ByteBuffer(string: "{\"mqTable\":")
        let entries = queues.map { queue in
            let value: JSONValue = [
                "commitOffset": .integer(queue.commitOffset), "droped": false,
                "lastConsumeTimestamp": .integer(queue.lastConsume), "lastLockTimestamp": .integer(queue.lastLock),
                "lastPullTimestamp": .integer(queue.lastPull), "locked": .bool(queue.isLocked),
            ]
            return (queue: queue.queue, value: value)
        }
        QueueTable.write(entries, into: &buffer)
        buffer.writeString(",\"properties\":")
        let members = properties.sorted { $0.key < $1.key }.map { JSONMember($0.key, .string($0.value)) }
        JSONValue.object(members).write(into: &buffer)
        buffer.writeString(",\"statusTable\":{},\"subscriptionSet\":")
        JSONValue.array(subscriptions.map(\.json)).write(into: &buffer)
        buffer.writeString("}")
        return buffer
    }
}
