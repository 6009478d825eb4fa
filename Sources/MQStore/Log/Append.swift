import MQWire

/// Messages handed to the store together: one, or the parts of a batch.
struct Append: Sendable {
    var drafts: [RecordDraft]
    var awaitsFlush: Bool
    var completion: @Sendable (Result<AppendReceipt, StoreError>) -> Void
    /// The bytes it holds in memory until it is written.
    var bytes: Int
    /// When it began to wait for the writer, nanoseconds on the store's monotonic clock.
    var since: Int64 = 0
    /// Whether it is written however late: who sent it does not wait, or must not be turned away.
    var isPatient = true
}

/// What became of messages that were appended.
public struct AppendReceipt: Sendable {
    /// Whether what was written is also on the disk.
    public enum Flush: Sendable {
        /// The policy is asynchronous, or the sender did not want to wait.
        case notAwaited
        /// A sync covered the messages.
        case flushed
        /// No sync covered them in time; they may reach the disk yet.
        case timedOut
        /// The sync that covered them failed; what the disk holds is unknown.
        case failed
    }

    /// Each record's position in the log, in the order of the drafts, in bytes.
    public var logOffsets: [Int64]
    /// The first record's number in its queue; the others of a batch follow.
    public var queueOffset: Int64
    /// When they were stored, milliseconds since 1970.
    public var storeTimestamp: Int64
    /// Whether they are on the disk.
    public var flush: Flush
}

/// A queue that got new messages.
public struct QueueArrival: Sendable {
    /// The queue.
    public let key: QueueKey
    /// One past its last message now.
    public let maximumOffset: Int64
    /// The filter codes of the new messages, in their order.
    public let tagCodes: [Int64]

    /// New messages of a queue.
    public init(key: QueueKey, maximumOffset: Int64, tagCodes: [Int64]) {
        self.key = key
        self.maximumOffset = maximumOffset
        self.tagCodes = tagCodes
    }
}
