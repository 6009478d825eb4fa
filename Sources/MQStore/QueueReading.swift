public import MQWire
public import NIOCore

/// What a read of a queue found.
public struct QueueReading: Sendable {
    /// The outcome, with RocketMQ's `GetMessageStatus` in mind.
    public enum Status: Sendable, Hashable {
        /// Messages are in the body.
        case found
        /// There were messages, but none that the filter wants.
        case noMatch
        /// The offset is the next one to come: nothing new yet.
        case atEnd
        /// The offset lies beyond the end.
        case beyondEnd
        /// The offset lies before the first message.
        case beforeBeginning
        /// The queue was never written.
        case noQueue
        /// The queue exists and never held a message.
        case empty
    }

    /// The outcome.
    public var status: Status
    /// Where to read next.
    public var nextOffset: Int64
    /// The first message there is.
    public var minimumOffset: Int64
    /// One past the last message.
    public var maximumOffset: Int64
    /// The records one after another, as they stand in the log.
    public var body: ByteBuffer
    /// How many records the body holds.
    public var count: Int
    /// Where the last of them lies in the log; `nil` without one.
    public var lastLogOffset: Int64?
    /// Log offsets of messages that are damaged or lost, -1 where not even that is known; they are passed over, and
    /// ``nextOffset`` is behind them.
    public var damagedLogOffsets: [Int64] = []
}

/// What stands at a place of the log.
public enum RecordLook: Sendable {
    /// A record that is what was written.
    case sound(StoredRecord)
    /// A record begins there, and went bad: no reader is served it.
    case damaged
    /// No record begins there.
    case none
}

/// What a reader asks of a queue.
public struct QueueRequest: Sendable {
    /// The queue.
    public var key: QueueKey
    /// The first message wanted.
    public var offset: Int64
    /// The most messages wanted.
    public var maximumCount: Int
    /// The most bytes wanted; one message is given even when it is larger.
    public var maximumBytes: Int
    /// Says by its filter code whether a message is wanted.
    public var isWanted: @Sendable (Int64) -> Bool
    /// Says by its encoded properties whether a message is wanted, of those that ``isWanted`` wants; `nil`: all are.
    public var wantsProperties: (@Sendable (ByteBuffer) -> Bool)?

    /// The most records looked into for one answer, where ``wantsProperties`` decides.
    public var maximumLooks = QueueRequest.scanLimit

    /// The most messages given at once, whatever is asked.
    public static let countLimit = 1024
    /// The most entries looked at for one answer when the filter drops messages.
    public static let scanLimit = 16_000
    /// The most bytes read for one answer when the filter looks into the records.
    public static let filteredBytesLimit = 4 << 20
    /// RocketMQ's `maxTransferBytesOnMessageInMemory`.
    public static let defaultMaximumBytes = 256 << 10

    /// A request for the messages from `offset` on.
    public init(
        key: QueueKey, offset: Int64, maximumCount: Int, maximumBytes: Int = defaultMaximumBytes,
        isWanted: @escaping @Sendable (Int64) -> Bool = { _ in true },
        wantsProperties: (@Sendable (ByteBuffer) -> Bool)? = nil
    ) {
        self.wantsProperties = wantsProperties
        self.key = key
        self.offset = offset
        self.maximumCount = maximumCount
        self.maximumBytes = maximumBytes
        self.isWanted = isWanted
    }
}
