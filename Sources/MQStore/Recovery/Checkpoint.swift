import Glibc
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

    /// Overwrites the file and syncs it; 24 bytes lie in one sector, so that they are replaced as one.
    func write(to path: FilePath) throws(StoreError) {
        let descriptor = open(path.string, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("open", path, Errno(rawValue: errno)) }
        defer { close(descriptor) }
        let written = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        if written != Self.encodedSize || fdatasync(descriptor) != 0 {
            throw .system("pwrite", path, Errno(rawValue: errno))
        }
    }
}
