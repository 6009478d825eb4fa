public import SystemPackage

/// How far a start has come with its walk over the log.
public struct RecoveryProgress: Sendable, Hashable {
    /// The bytes that are walked.
    public var walkedBytes: Int64
    /// The bytes up to the end of the last segment, which need not be full: there is no more to walk than this.
    public var atMostBytes: Int64
    /// The records that were read.
    public var records: Int
}

/// What a start found and did.
public struct RecoveryReport: Sendable, Hashable {
    /// Whether the last stop was a clean one.
    public var wasCleanStop: Bool
    /// Where the walk began.
    public var walkedFrom: Int64
    /// The end of the log now.
    public var logEnd: Int64
    /// How many records the walk read.
    public var walkedRecords = 0
    /// How many queue entries were written anew.
    public var rebuiltEntries = 0
    /// Why the log was cut at ``logEnd``; `nil` when it ended properly.
    public var tornReason: String?
    /// Log offsets of what went bad although it was whole once; it is kept, reported, and served to nobody.
    public var damagedOffsets: [Int64] = []
    /// How many sound records stood behind a piece of the log that a power cut kept from the disk, and went with it.
    public var letGoRecords = 0
    /// Queues whose files lacked entries that they had had. What the log holds of them is back; the rest are places
    /// without a message.
    public var lackingQueues: [QueueKey] = []

    /// Places of the log that the disk could not read. What stood there is damaged, and the places are left as they are.
    public var unreadablePlaces: [Range<Int64>] = []

    /// Bytes of the log of which the files were missing, or had lost their ends, at this start: what was in them is gone.
    public var lostPieces: [Range<Int64>] = []
    /// Notes of the process before that the disk could not read; the start went on as if they were not there.
    public var unreadableNotes: [FilePath] = []

    init(wasCleanStop: Bool, walkedFrom: Int64, logEnd: Int64) {
        self.wasCleanStop = wasCleanStop
        self.walkedFrom = walkedFrom
        self.logEnd = logEnd
    }
}
