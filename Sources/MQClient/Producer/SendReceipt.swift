import MQWire

/// How well a stored message is kept.
public enum SendStatus: String, Sendable {
    /// As the broker's mode promises.
    case ok = "SEND_OK"
    /// Stored in memory, but not on disk within the time.
    case flushDiskTimeout = "FLUSH_DISK_TIMEOUT"
    /// Stored on the master, but no slave confirmed within the time.
    case flushSlaveTimeout = "FLUSH_SLAVE_TIMEOUT"
    /// Stored on the master, and no slave was there.
    case slaveNotAvailable = "SLAVE_NOT_AVAILABLE"

    /// What a broker's code says; `nil` when the message was not stored.
    init?(_ code: ResponseCode) {
        switch code {
        case .success: self = .ok
        case .flushDiskTimeout: self = .flushDiskTimeout
        case .flushSlaveTimeout: self = .flushSlaveTimeout
        case .slaveNotAvailable: self = .slaveNotAvailable
        default: return nil
        }
    }
}

/// A broker's word that it has a message.
public struct SendReceipt: Sendable, Equatable {
    /// How well it is kept.
    public let status: SendStatus
    /// The unique id that the client gave the message; the same in every attempt.
    public let messageID: String
    /// The id that tells where the message lies: broker address and commit-log offset.
    public let offsetMessageID: String
    /// The queue that has it.
    public let queue: MessageQueue
    /// Its place there.
    public let queueOffset: Int64
    /// The broker that answered.
    public let brokerAddress: String
    /// Which attempt succeeded, from 1.
    public let attempt: Int
}

/// A broker's word that it has all messages of a batch.
public struct BatchReceipt: Sendable, Equatable {
    /// How well they are kept; one word for all.
    public let status: SendStatus
    /// The unique ids that the client gave them, in their order.
    public let messageIDs: [String]
    /// The ids that tell where they lie, in the same order.
    public let offsetMessageIDs: [String]
    /// The queue that has them.
    public let queue: MessageQueue
    /// The first one's place there; the others follow.
    public let queueOffset: Int64
    /// The broker that answered.
    public let brokerAddress: String
    /// Which attempt succeeded, from 1.
    public let attempt: Int
}
