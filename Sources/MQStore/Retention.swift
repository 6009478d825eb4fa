/// What retention took from a log since the store was opened, in bytes.
public struct RemovedBytes: Sendable, Equatable {
    /// Of messages that were kept as long as they should be.
    public var expired: Int64 = 0
    /// Of messages that went before their time, since the disk was nearly full (``RetentionPolicy/forcedRatio``).
    public var forced: Int64 = 0

    /// Nothing yet.
    public init() {}
}

/// How long messages are kept, and what a full disk changes. Pure.
///
/// As RocketMQ's `CleanCommitLogService` has it: files whose messages are all older than the limit go at one hour of the
/// day, or at any time while the disk is fuller than it should be; when it is nearly full the oldest go, old or not.
public struct RetentionPolicy: Sendable, Equatable {
    /// How long messages are kept at least, in milliseconds (`fileReservedTime`, in hours).
    public var keptMilliseconds: Int64 = 72 * 3_600_000
    /// The hours of the day, in UTC, at which what is too old goes (`deleteWhen`).
    public var hours: Set<Int> = [4]
    /// How full the disk may be before what is too old goes at any hour (`diskMaxUsedSpaceRatio`, in percent).
    public var usedRatioLimit = 0.75
    /// How full it may be before the oldest goes whatever its age (RocketMQ's `diskSpaceCleanForciblyRatio`); `nil` when
    /// nothing goes before its time, and writers are refused instead (`cleanFileForciblyEnable=false`).
    public var forcedRatio: Double? = 0.85

    /// RocketMQ's defaults.
    public init() {}

    /// The segments removed in one round at most, so that the disk's other work goes on.
    static let segmentsPerRound = 10

    /// Whether any may go now, old enough or not: else nobody need look how old they are.
    func mayRemove(usedRatio: Double?, now: Int64, isAsked: Bool) -> Bool {
        mayRemoveOld(usedRatio: usedRatio, now: now, isAsked: isAsked) || isForced(usedRatio: usedRatio)
    }

    /// Whether those that are old enough may go now.
    private func mayRemoveOld(usedRatio: Double?, now: Int64, isAsked: Bool) -> Bool {
        isAsked || usedRatio ?? 0 > usedRatioLimit || hours.contains(Int(now / 3_600_000 % 24))
    }

    /// Whether one goes whatever its age.
    private func isForced(usedRatio: Double?) -> Bool { forcedRatio.map { usedRatio ?? 0 >= $0 } ?? false }

    /// How many of the oldest segments are to go now.
    ///
    /// - Parameters:
    ///   - newest: for each segment that may go, the oldest first, the time after which nothing was stored in it.
    ///   - usedRatio: how full the disk is, 0 to 1; `nil` when that cannot be told.
    ///   - now: milliseconds since 1970.
    ///   - isAsked: whether somebody asked for it, at whatever hour.
    func segmentsToRemove(newest: [Int64], usedRatio: Double?, now: Int64, isAsked: Bool = false) -> Int {
        var count = 0
        if mayRemoveOld(usedRatio: usedRatio, now: now, isAsked: isAsked) {
            count = newest.prefix { $0 < now - keptMilliseconds }.count
        }
        // One at a time: the next round sees what it brought.
        if isForced(usedRatio: usedRatio), count == 0, !newest.isEmpty { count = 1 }
        return min(count, Self.segmentsPerRound)
    }
}
