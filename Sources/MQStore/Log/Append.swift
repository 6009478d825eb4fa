import MQWire

/// Messages handed to the store together: one, or the parts of a batch.
struct Append: Sendable {
    var drafts: [RecordDraft]
    var awaitsFlush: Bool
    var completion: @Sendable (AppendOutcome) -> Void
    /// The bytes it holds in memory until it is written.
    var bytes: Int
    /// When it began to wait for the writer, nanoseconds on the store's monotonic clock.
    var since: Int64 = 0
    /// Whether it is written however late: who sent it does not wait, or must not be turned away.
    var isPatient = true
}

/// What became of messages that were appended.
public enum AppendOutcome: Sendable {
    /// They are in the log, and on the disk as far as the policy and their sender asked for it.
    case stored(AppendReceipt)
    /// They are in the log and are served, but what they waited for did not come: a power cut may take them.
    case unconfirmed(AppendReceipt, Doubt)
    /// They are not stored, or nobody knows (`uncertain`).
    case refused(StoreError)

    /// Why it is not known whether the disk has what was written.
    public enum Doubt: Sendable {
        /// No sync covered it in time; it may reach the disk yet.
        case timedOut
        /// The sync that covered it failed; what the disk holds is unknown for good.
        case syncFailed(StoreError)
    }

    /// The receipt of what is stored as it was asked for; all else is an error, and `uncertain` what is unconfirmed.
    public var result: Result<AppendReceipt, StoreError> {
        switch self {
        case .stored(let receipt): .success(receipt)
        case .unconfirmed(_, .timedOut):
            .failure(StoreError(.uncertain, message: "it is written, and no sync covered it in time"))
        case .unconfirmed(_, .syncFailed(let error)):
            .failure(
                StoreError(
                    .uncertain, path: error.path, message: "it is written, and its sync failed: \(error.message)",
                    cause: error.cause))
        case .refused(let error): .failure(error)
        }
    }
}

/// Where messages that were appended are.
public struct AppendReceipt: Sendable {
    /// How sure it is that they stay.
    public enum Durability: Sendable {
        /// They are in the log: the policy is asynchronous, or the sender did not want to wait.
        case written
        /// A sync covered them.
        case synced
    }

    /// Each record's position in the log, in the order of the drafts, in bytes.
    public var logOffsets: LogOffsets
    /// The first record's number in its queue; the others of a batch follow.
    public var queueOffset: Int64
    /// When they were stored, milliseconds since 1970.
    public var storeTimestamp: Int64
    /// Whether they are known to be on the disk.
    public var durability = Durability.written
}

/// Positions in the log; a single one, as nearly every append has, takes no memory of its own.
public struct LogOffsets: RandomAccessCollection, ExpressibleByArrayLiteral, Hashable, Sendable {
    private var first: Int64 = 0
    private var others: [Int64] = []
    /// How many there are.
    public private(set) var endIndex = 0

    /// Always 0.
    public var startIndex: Int { 0 }

    /// These positions.
    public init(arrayLiteral elements: Int64...) { for element in elements { append(element) } }

    /// The position of the record with this number.
    public subscript(position: Int) -> Int64 {
        precondition(position >= 0 && position < endIndex, "there are \(endIndex) positions, and not one \(position)")
        return position == 0 ? first : others[position - 1]
    }

    mutating func append(_ offset: Int64) {
        if endIndex == 0 { first = offset } else { others.append(offset) }
        endIndex += 1
    }
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
