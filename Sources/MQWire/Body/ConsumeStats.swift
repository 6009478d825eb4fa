public import NIOCore

/// How far a group is in its queues: the answer to request 208.
public struct ConsumeStats: Sendable, Equatable {
    /// One queue.
    public struct Queue: Sendable, Equatable {
        /// Which.
        public var queue: QueueIdentity
        /// One past the last message.
        public var brokerOffset: Int64
        /// The next message that the group will be given.
        public var consumerOffset: Int64
        /// When the last message that was consumed was stored, in milliseconds since 1970; 0 when none was.
        public var lastTimestamp: Int64

        /// One queue.
        public init(queue: QueueIdentity, brokerOffset: Int64, consumerOffset: Int64, lastTimestamp: Int64) {
            self.queue = queue
            self.brokerOffset = brokerOffset
            self.consumerOffset = consumerOffset
            self.lastTimestamp = lastTimestamp
        }
    }

    /// The queues, in the order in which they are written.
    public var queues: [Queue]
    /// Messages consumed per second.
    public var consumedPerSecond: Double

    /// How far a group is.
    public init(queues: [Queue], consumedPerSecond: Double = 0) {
        self.queues = queues
        self.consumedPerSecond = consumedPerSecond
    }

    /// Messages that are still to come, in all queues.
    public var difference: Int64 { queues.reduce(0) { $0 &+ ($1.brokerOffset &- $1.consumerOffset) } }

    /// Reads a body; what a queue lacks is 0.
    public init(decoding buffer: ByteBuffer?) throws(BodyError) {
        try self.init(table: try QueueTable(decoding: buffer))
    }

    init(table: QueueTable) throws(BodyError) {
        queues = table.entries.map { entry in
            Queue(
                queue: entry.queue, brokerOffset: entry.value["brokerOffset"]?.integerValue ?? 0,
                consumerOffset: entry.value["consumerOffset"]?.integerValue ?? 0,
                lastTimestamp: entry.value["lastTimestamp"]?.integerValue ?? 0)
        }
        consumedPerSecond = table.extras.first { $0.key == "consumeTps" }?.value.doubleValue ?? 0
    }

    fileprivate var table: QueueTable {
        QueueTable(
            queues.map { queue in
                let value: JSONValue = [
                    "brokerOffset": .integer(queue.brokerOffset), "consumerOffset": .integer(queue.consumerOffset),
                    "lastTimestamp": .integer(queue.lastTimestamp),
                ]
                return (queue.queue, value)
            }, extras: [JSONMember("consumeTps", .number(consumedPerSecond))])
    }

    /// The body's bytes.
    public func encoded() -> ByteBuffer { table.encoded() }
}

/// How far all groups of a broker are: the answer to request 317.
public struct BrokerConsumeStats: Sendable, Equatable {
    /// One group; each topic that it reads has a part of its own.
    public struct Group: Sendable, Equatable {
        /// Its name.
        public var name: String
        /// Its topics.
        public var topics: [ConsumeStats]

        /// One group.
        public init(name: String, topics: [ConsumeStats]) {
            self.name = name
            self.topics = topics
        }
    }

    /// The broker's address.
    public var brokerAddress: String
    /// The groups, in the order in which they are written.
    public var groups: [Group]

    /// How far all groups are.
    public init(brokerAddress: String, groups: [Group]) {
        self.brokerAddress = brokerAddress
        self.groups = groups
    }

    /// Messages that are still to come, for all groups.
    public var totalDifference: Int64 {
        groups.reduce(0) { $0 &+ $1.topics.reduce(0) { $0 &+ $1.difference } }
    }

    /// Reads a body.
    public init(decoding buffer: ByteBuffer?) throws(BodyError) {
        let json = try JSONValue(body: buffer, of: "BrokerConsumeStats")
        brokerAddress = json["brokerAddr"]?.stringValue ?? ""
        groups = []
        for member in (json["consumeStatsList"]?.arrayValue ?? []).flatMap({ $0.objectValue ?? [] }) {
            var topics: [ConsumeStats] = []
            for value in member.value.arrayValue ?? [] {
                topics.append(try ConsumeStats(table: try QueueTable(json: value)))
            }
            groups.append(Group(name: member.key, topics: topics))
        }
    }

    /// The body's bytes.
    public func encoded() -> ByteBuffer {
        var buffer = ByteBuffer(string: "{\"brokerAddr\":")
        JSONValue.string(brokerAddress).write(into: &buffer)
        buffer.writeString(",\"consumeStatsList\":[")
        for (index, group) in groups.enumerated() {
            buffer.writeString(index > 0 ? ",{" : "{")
            JSONValue.string(group.name).write(into: &buffer)
            buffer.writeString(":[")
            for (place, topic) in group.topics.enumerated() {
                if place > 0 { buffer.writeString(",") }
                topic.table.write(into: &buffer)
            }
            buffer.writeString("]}")
        }
        buffer.writeString("],\"totalDiff\":\(totalDifference)}")
        return buffer
    }
}
