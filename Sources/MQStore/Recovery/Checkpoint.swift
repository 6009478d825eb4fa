import MQWire
import NIOCore
import SystemPackage

/// How far a store was synced, told by the store times of the last messages, and by offsets where this implementation
/// wrote it.
///
/// ```
///   0 ┌──────────────┬────────────────┬───────────────┐
///     │ logTime 8    │ queueTime 8    │ indexTime 8   │   milliseconds since 1970, big-endian
///  24 ├──────────────┴────────────────┴───────────────┤
///     │ zeros                                         │
/// 512 ├───────────────────────────────────────────────┤
///     │ reach, where it is known (SyncedReach)        │
///     └───────────────────────────────────────────────┘ 4096
/// ```
/// RocketMQ reads and writes the first 24 bytes and leaves the others of the file alone. After a crash everything older
/// than the times is known to be on the disk, in the log and in the consume queues.
public struct Checkpoint: Sendable, Hashable {
    /// The store time of the last message synced in the log.
    public var logTimestamp: Int64
    /// The store time of the last message whose queue entry is synced.
    public var queueTimestamp: Int64
    /// The store time of the last message whose index entry is synced.
    public var indexTimestamp: Int64
    /// The same by offsets; `nil` in a checkpoint that another implementation wrote, or wrote over.
    var reach: SyncedReach?

    /// The bytes that RocketMQ knows of.
    public static let encodedSize = 24
    /// The bytes of the file; RocketMQ maps as many.
    static let fileSize = 4096
    /// Where the reach begins: in a sector of its own, behind what later versions of RocketMQ use.
    static let reachOffset = 512

    /// A checkpoint of these times.
    public init(logTimestamp: Int64, queueTimestamp: Int64, indexTimestamp: Int64 = 0) {
        self.logTimestamp = logTimestamp
        self.queueTimestamp = queueTimestamp
        self.indexTimestamp = indexTimestamp
    }

    /// Reads the first 24 bytes, and what is behind them; `nil` when there are fewer.
    ///
    /// - Parameter now: the clock, in milliseconds since 1970: no time that anybody wrote is later.
    public init?(_ bytes: [UInt8], now: Int64 = .max) {
        guard var found = Self.times(bytes[...]) else { return nil }
        if bytes.count > Self.reachOffset, let (reach, beside) = SyncedReach.read(bytes[Self.reachOffset...]),
            let written = Self.times(beside[...])
        {
            // Times only grow: others were written by another implementation, or went bad, and then the reach stands.
            if found == written || !found.mayFollow(written, now: now) {
                found = written
                found.reach = reach
            }
        }
        self = found
    }

    private static func times(_ bytes: ArraySlice<UInt8>) -> Checkpoint? {
        var buffer = ByteBuffer(bytes: bytes)
        return buffer.readMultipleIntegers(as: (Int64, Int64, Int64).self).map {
            Checkpoint(logTimestamp: $0, queueTimestamp: $1, indexTimestamp: $2)
        }
    }

    private func mayFollow(_ earlier: Checkpoint, now: Int64) -> Bool {
        let pairs = [
            (earlier.logTimestamp, logTimestamp), (earlier.queueTimestamp, queueTimestamp),
            (earlier.indexTimestamp, indexTimestamp),
        ]
        return pairs.allSatisfy { $0 <= $1 && $1 <= max($0, now) }
    }

    /// The 24 bytes, and with a reach the whole file.
    public var bytes: [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeMultipleIntegers(logTimestamp, queueTimestamp, indexTimestamp)
        let times = Array(buffer.readableBytesView)
        guard let reach else { return times }
        var bytes = times + [UInt8](repeating: 0, count: Self.fileSize - times.count)
        let encoded = reach.encoded(times: times)
        bytes.replaceSubrange(Self.reachOffset..<Self.reachOffset + encoded.count, with: encoded)
        return bytes
    }

    /// Messages stored before this time are on the disk, in log and queues.
    public var safeTimestamp: Int64 { min(logTimestamp, queueTimestamp) }

    /// Replaces the file, durably: a mixture of two checkpoints could promise more than either.
    func write(to path: FilePath, io: any StorageIO) throws(StoreError) {
        try ReplacedFile(path, io: io, keepsBackup: false).save(bytes)
    }

    /// The checkpoint that was written last; `nil` when there is none.
    static func read(from path: FilePath, now: Int64 = .max, io: any StorageIO) throws(StoreError) -> Checkpoint? {
        try ReplacedFile(path, io: io, keepsBackup: false).load().flatMap { Checkpoint($0, now: now) }
    }
}

/// How far log and queues are known to be on the disk, told by offsets, which no clock moves.
///
/// ```
/// ┌───────────┬───────────┬──────────┬─────────────┬────────────────┬────────────┐
/// │ magic 8   │ version 4 │ times 24 │ logOffset 8 │ queuesOffset 8 │ lastTime 8 │
/// ├───────────┴─────┬─────┴──────────┴──┬──────────┴────────────────┴────────────┘
/// │ segmentBytes 8  │ entriesPerFile 8  │ CRC-32 4 │
/// └─────────────────┴───────────────────┴──────────┘
/// ```
/// The times are the file's first 24 bytes once more: where those are later, another implementation has written since, and
/// none of this is believed.
struct SyncedReach: Sendable, Hashable {
    /// The log before this offset is on the disk: a boundary of records. After a clean stop it is the log's end.
    var logOffset: Int64
    /// The queues' entries of all records before this offset are on the disk; a boundary, too.
    var queuesOffset: Int64
    /// The store time of the last message.
    var lastTimestamp: Int64
    /// The size of the log's segments in bytes.
    var segmentBytes: Int64
    /// The entries in one file of a consume queue.
    var entriesPerQueueFile: Int64

    private static let magic: UInt64 = 0x5345_4154_5249_414C  // "SEATRIAL"
    private static let version: Int32 = 1
    private static let encodedSize = 8 + 4 + Checkpoint.encodedSize + 5 * 8

    /// What is before this offset is on the disk, in log and queues.
    var safeOffset: Int64 { min(logOffset, queuesOffset) }

    /// Reads it, and the times that it was written beside; `nil` when it is not there or went bad.
    static func read(_ bytes: ArraySlice<UInt8>) -> (SyncedReach, times: [UInt8])? {
        var buffer = ByteBuffer(bytes: bytes)
        guard var known = buffer.readSlice(length: Self.encodedSize),
            let sum = buffer.readInteger(as: UInt32.self),
            sum == known.withUnsafeReadableBytes(BodyChecksum.crc32),
            let (magic, version) = known.readMultipleIntegers(as: (UInt64, Int32).self),
            magic == Self.magic, version == Self.version,
            let times = known.readBytes(length: Checkpoint.encodedSize),
            let (log, queues, last, segment, entries) = known.readMultipleIntegers(
                as: (Int64, Int64, Int64, Int64, Int64).self)
        else { return nil }
        let reach = SyncedReach(
            logOffset: log, queuesOffset: queues, lastTimestamp: last, segmentBytes: segment,
            entriesPerQueueFile: entries)
        return (reach, times)
    }

    func encoded(times: [UInt8]) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeMultipleIntegers(Self.magic, Self.version)
        buffer.writeBytes(times)
        buffer.writeMultipleIntegers(logOffset, queuesOffset, lastTimestamp, segmentBytes, entriesPerQueueFile)
        let sum = buffer.withUnsafeReadableBytes(BodyChecksum.crc32)
        buffer.writeInteger(sum)
        return Array(buffer.readableBytesView)
    }
}
