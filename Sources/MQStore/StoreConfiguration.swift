public import SystemPackage

/// When a stored message counts as kept.
public enum FlushPolicy: String, Sendable {
    /// The answer waits for `fdatasync`; one sync answers for everything written before it.
    case sync = "SYNC_FLUSH"
    /// The answer comes after the write; a sync follows at the interval.
    case async = "ASYNC_FLUSH"
}

/// How a store is laid out and how it flushes; the defaults are RocketMQ 4.9's.
public struct StoreConfiguration: Sendable {
    /// The directory of everything but, perhaps, the commit log.
    public var root: FilePath
    /// The directory of the commit log's segments.
    public var commitLogDirectory: FilePath
    /// The size of a commit log segment, in bytes.
    public var segmentBytes: Int64 = 1 << 30
    /// The entries of 20 bytes in one file of a consume queue.
    public var entriesPerQueueFile: Int64 = 300_000
    /// When a stored message counts as kept.
    public var flushPolicy: FlushPolicy = .async
    /// How often an asynchronous store syncs its log, in milliseconds.
    public var flushIntervalMilliseconds: Int64 = 500
    /// An asynchronous store leaves out a sync of fewer pages of 4 KiB than this (RocketMQ's `flushCommitLogLeastPages`),
    /// unless the last one is ``thoroughFlushIntervalMilliseconds`` ago. Here 0: a sync of little costs little.
    public var flushLeastPages: Int64 = 0
    /// How long few pages may go without a sync, in milliseconds (`flushCommitLogThoroughInterval`).
    public var thoroughFlushIntervalMilliseconds: Int64 = 10_000
    /// Whether the next segment gets its blocks as soon as it is made, in the background (`warmMapedFileEnable`); else it
    /// is sparse, and takes space as it is written.
    public var allocatesAhead = false
    /// Whether a synchronous store syncs what it copies from a master at once, and not at the interval: somebody counts on it.
    public var syncsCopies = false
    /// How often the consume queues and the checkpoint are synced, in milliseconds.
    public var checkpointIntervalMilliseconds: Int64 = 1000
    /// How long a synchronous append waits for its sync before it is answered with a time-out, in milliseconds.
    public var syncFlushTimeoutMilliseconds: Int64 = 5000
    /// The most bytes of bodies waiting to be written; more are refused.
    public var maximumWaitingBytes = 64 << 20
    /// The most appends waiting to be written (RocketMQ's `sendThreadPoolQueueCapacity`).
    public var maximumWaitingAppends = 10_000
    /// How long an append may wait for the writer before it is refused, in milliseconds; `nil` for as long as it takes
    /// (RocketMQ's `waitTimeMillsInSendQueue`).
    public var maximumWaitMilliseconds: Int64?
    /// Whether the sum of each body is checked whenever it is read, and not only in recovery and by the scrubber.
    public var checksOnRead = false
    /// Whether messages are found by their keys (RocketMQ's `messageIndexEnable`).
    public var indexesKeys = true
    /// The hash slots of an index file (`maxHashSlotNum`).
    public var indexSlots = 5_000_000
    /// The entries of an index file (`maxIndexNum`).
    public var indexEntries = 20_000_000
    /// How long messages are kept.
    public var retention = RetentionPolicy()
    /// The delay of each level in milliseconds, level 1 first (RocketMQ's `messageDelayLevel`).
    public var delayLevelMilliseconds: [Int64] = DelayLevels.standard
    /// The smallest segment allowed, in bytes: a lab fills segments of this size within seconds.
    public static let minimumSegmentBytes: Int64 = 1 << 20

    /// A store below `root`, with the log in `root/commitlog` unless another place is named.
    public init(root: FilePath, commitLogDirectory: FilePath? = nil) {
        self.root = root
        self.commitLogDirectory = commitLogDirectory ?? root.appending("commitlog")
    }

    /// Where the consume queues are, `topic/queueId/` below it.
    public var consumeQueueDirectory: FilePath { root.appending("consumequeue") }
    /// Where the tables are (`topics.json` and so on).
    public var configDirectory: FilePath { root.appending("config") }
    /// Where the index files are.
    public var indexDirectory: FilePath { root.appending("index") }
    /// There while the store is open; found at start, it tells of a crash.
    public var abortMarker: FilePath { root.appending("abort") }
    /// How far log and queues were synced.
    public var checkpointFile: FilePath { root.appending("checkpoint") }
    /// Where each queue ended, so that a queue whose files are lost is noticed.
    public var queueEndsFile: FilePath { root.appending("queueEnds") }
    /// Which topics were deleted, so that recovery does not raise them from the log.
    public var deletedTopicsFile: FilePath { root.appending("deletedTopics.json") }
    /// Held locked while the store is open.
    public var lockFile: FilePath { root.appending("lock") }
}

/// RocketMQ's delay levels and the topic in which delayed messages wait.
public enum DelayLevels {
    /// The topic in which delayed messages wait; queue id = level − 1.
    public static let topic = "SCHEDULE_TOPIC_XXXX"
    /// The standard levels as `messageDelayLevel` writes them.
    public static let words = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h"
    /// 1s 5s 10s 30s 1m … 10m 20m 30m 1h 2h, in milliseconds.
    public static let standard: [Int64] = [
        1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200,
    ].map { $0 * 1000 }
}
