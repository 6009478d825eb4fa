import NIOCore
import SystemPackage

/// How far a store was synced, told by the store times of the last messages.
///
/// ```
/// ┌──────────────┬────────────────┬───────────────┐
/// │ logTime 8    │ queueTime 8    │ indexTime 8   │   milliseconds since 1970, big-endian
/// └──────────────┴────────────────┴───────────────┘
/// ```
/// After a crash everything older is known to be on the disk, in the log and in the consume queues.
public struct Checkpoint: Sendable, Hashable {
    /// The store time of the last message synced in the log.
    public var logTimestamp: Int64
    /// The store time of the last message whose queue entry is synced.
    public var queueTimestamp: Int64
    /// The store time of the last message whose index entry is synced.
    public var indexTimestamp: Int64

    /// The bytes of a checkpoint.
    public static let encodedSize = 24

    /// A checkpoint of these times.
    public init(logTimestamp: Int64, queueTimestamp: Int64, indexTimestamp: Int64 = 0) {
        self.logTimestamp = logTimestamp
        self.queueTimestamp = queueTimestamp
        self.indexTimestamp = indexTimestamp
    }

    /// Reads the first 24 bytes; `nil` when there are fewer.
    public init?(_ bytes: [UInt8]) {
        var buffer = ByteBuffer(bytes: bytes)
        guard let (log, queue, index) = buffer.readMultipleIntegers(as: (Int64, Int64, Int64).self) else { return nil }
        self.init(logTimestamp: log, queueTimestamp: queue, indexTimestamp: index)
    }

    /// The 24 bytes.
    public var bytes: [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeMultipleIntegers(logTimestamp, queueTimestamp, indexTimestamp)
        return Array(buffer.readableBytesView)
    }

    /// Messages stored before this time are on the disk, in log and queues.
    public var safeTimestamp: Int64 { min(logTimestamp, queueTimestamp) }

    /// Replaces the file, durably: a mixture of two checkpoints could promise more than either.
    func write(to path: FilePath, io: any StorageIO) throws(StoreError) {
        try ReplacedFile(path, io: io, keepsBackup: false).save(bytes)
    }

    /// The checkpoint that was written last; `nil` when there is none.
    static func read(from path: FilePath, io: any StorageIO) throws(StoreError) -> Checkpoint? {
        try ReplacedFile(path, io: io, keepsBackup: false).load().flatMap(Checkpoint.init)
    }
}
