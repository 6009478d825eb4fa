/// One queue of a topic: what messages are sent to, pulled from and locked by.
public struct QueueIdentity: JSONBody, Hashable, CustomStringConvertible {
    /// The topic.
    public var topic: String
    /// The broker set that holds the queue.
    public var brokerName: String
    /// The queue's number there.
    public var queueID: Int32

    /// A queue.
    public init(topic: String, brokerName: String, queueID: Int32) {
        self.topic = topic
        self.brokerName = brokerName
        self.queueID = queueID
    }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        topic = try json.requiredString("topic", of: Self.self)
        brokerName = try json.requiredString("brokerName", of: Self.self)
        queueID = try json.requiredInt32("queueId", of: Self.self)
    }

    /// The value.
    public var json: JSONValue {
        ["brokerName": .string(brokerName), "queueId": .integer(Int64(queueID)), "topic": .string(topic)]
    }

    /// `topic@broker#queue`, for logs.
    public var description: String { "\(topic)@\(brokerName)#\(queueID)" }
}
