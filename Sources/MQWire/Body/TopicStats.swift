public import NIOCore

/// Where the queues of a topic begin and end: the answer to request 202.
public struct TopicStats: Sendable, Equatable {
    /// One queue.
    public struct Queue: Sendable, Equatable {
        /// Which.
        public var queue: QueueIdentity
        /// The first message there is.
        public var minOffset: Int64
        /// One past the last message.
        public var maxOffset: Int64
        /// When the last message was stored, in milliseconds since 1970; 0 when there is none.
        public var lastUpdate: Int64

        /// One queue.
        public init(queue: QueueIdentity, minOffset: Int64, maxOffset: Int64, lastUpdate: Int64) {
            self.queue = queue
            self.minOffset = minOffset
            self.maxOffset = maxOffset
            self.lastUpdate = lastUpdate
        }
    }

    /// The queues, in the order in which they are written.
    public var queues: [Queue]

    /// A table.
    public init(queues: [Queue]) { self.queues = queues }

    /// Reads a body; what a queue lacks is 0.
    public init(decoding buffer: ByteBuffer?) throws(BodyError) {
        queues = try QueueTable(decoding: buffer).entries.map { entry in
            Queue(
                queue: entry.queue, minOffset: entry.value["minOffset"]?.integerValue ?? 0,
                maxOffset: entry.value["maxOffset"]?.integerValue ?? 0,
                lastUpdate: entry.value["lastUpdateTimestamp"]?.integerValue ?? 0)
        }
    }

    /// The body's bytes.
    public func encoded() -> ByteBuffer {
        QueueTable(
            queues.map { queue in
                let value: JSONValue = [
                    "lastUpdateTimestamp": .integer(queue.lastUpdate), "maxOffset": .integer(queue.maxOffset),
                    "minOffset": .integer(queue.minOffset),
                ]
                return (queue.queue, value)
            }
        ).encoded()
    }
}
