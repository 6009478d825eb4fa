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
    public var walkedRecords: Int
    /// How many queue entries were written anew.
    public var rebuiltEntries: Int
    /// Why the log was cut at ``logEnd``; `nil` when it ended properly.
    public var tornReason: String?
    /// Log offsets of records whose body lost its sum although the stop was clean; they are kept and reported.
    public var damagedOffsets: [Int64]
}
