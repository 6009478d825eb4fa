/// One queue of one topic on this broker.
public struct QueueKey: Sendable, Hashable, CustomStringConvertible {
    /// The topic.
    public let topic: String
    /// The queue of the topic.
    public let queueID: Int32

    /// The queue `queueID` of `topic`.
    public init(topic: String, queueID: Int32) {
        self.topic = topic
        self.queueID = queueID
    }

    /// `topic/3`.
    public var description: String { "\(topic)/\(queueID)" }
}
