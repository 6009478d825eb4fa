/// A reader got an answer that is none of the protocol's: what should have been a message could not be taken apart.
public struct UnreadableAnswer: Sendable, Equatable {
    public var consumer: Int
    public var broker: String
    public var queueID: Int
    /// The offset that was asked for.
    public var queueOffset: Int64
    /// What could not be read, in the client's words.
    public var detail: String

    public init(consumer: Int, broker: String, queueID: Int, queueOffset: Int64, detail: String) {
        self.consumer = consumer
        self.broker = broker
        self.queueID = queueID
        self.queueOffset = queueOffset
        self.detail = detail
    }
}
