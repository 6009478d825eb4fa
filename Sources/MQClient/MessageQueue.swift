/// One queue of a topic on one broker set.
public struct MessageQueue: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The topic.
    public var topic: String
    /// The broker set that holds it.
    public var brokerName: String
    /// The queue's number there.
    public var queueID: Int32

    /// A queue.
    public init(topic: String, brokerName: String, queueID: Int32) {
        self.topic = topic
        self.brokerName = brokerName
        self.queueID = queueID
    }

    /// By topic, broker, number.
    public static func < (left: MessageQueue, right: MessageQueue) -> Bool {
        (left.topic, left.brokerName, left.queueID) < (right.topic, right.brokerName, right.queueID)
    }

    /// `topic@broker#queue`, for logs.
    public var description: String { "\(topic)@\(brokerName)#\(queueID)" }
}
