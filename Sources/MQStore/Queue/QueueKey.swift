import MQWire

/// One queue of one topic on this broker.
public struct QueueKey: Sendable, Hashable, CustomStringConvertible {
    /// The topic.
    public let topic: String
    /// The queue of the topic.
    public let queueID: Int32

    /// Whether a topic of this name can have a folder of its own, and a place in a record.
    static func isTopicName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= RecordLayout.maximumTopicBytes && name != "." && name != ".."
            && !name.utf8.contains { $0 == 0 || $0 == UInt8(ascii: "/") }
    }

    /// The queue `queueID` of `topic`.
    public init(topic: String, queueID: Int32) {
        self.topic = topic
        self.queueID = queueID
    }

    /// `topic/3`.
    public var description: String { "\(topic)/\(queueID)" }
}
