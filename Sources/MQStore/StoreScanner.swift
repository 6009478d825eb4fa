import Glibc
public import MQWire
import NIOCore
public import SystemPackage

/// Reads a store's commit log from its files alone, without opening the store: offline, or beside a running broker.
///
/// It writes nothing, not even a lock. A broker that is writing may be in the middle of its last record; a tail that
/// looks torn is therefore looked at again before it is called so.
public struct StoreScanner: Sendable {
    /// A record that was found.
    public struct Found: Sendable {
        /// The record.
        public var record: StoredRecord
        /// Whether the body has its sum.
        public var isChecksumValid: Bool
    }

    /// Where a scan ended.
    public struct End: Sendable, Hashable {
        /// The log offset at which it ended, in bytes.
        public var logOffset: Int64
        /// How many records were found.
        public var records: Int
        /// Why the tail is torn; `nil` when the log ends properly.
        public var tornReason: String?
    }

    private let directory: FilePath

    /// How often a tail that looks torn is looked at again, and the pause before each, in microseconds.
    private static let tailRetries = 5
    private static let tailPauseMicroseconds: UInt32 = 20_000

    /// A scanner of the store below `root`, or of the segments in `root` itself when it has no `commitlog`.
    public init(root: FilePath) {
        directory = Directory.exists(root.appending("commitlog")) ? root.appending("commitlog") : root
    }

    /// Hands every record to `body`, in the log's order, and says where the log ends.
    ///
    /// - Throws: ``StoreError`` when there is no segment or a file cannot be read.
    public func scan(_ body: (Found) throws -> Void) throws -> End {
        let bases = try Directory.names(in: directory).compactMap(Segment.baseOffset(ofName:))
        guard let first = bases.first else {
            throw StoreError(
                .layout, path: directory, message: "no commit log segment here; name the broker's storePathRootDir")
        }
        let files = try bases.map { (base: $0, file: try ReadOnlyFile(directory.appending(Segment.name($0)))) }
        guard let size = files.first?.file.size, size > 0 else {
            throw StoreError(.layout, path: directory, message: "the first segment is empty")
        }
        var position = first
        var end = End(logOffset: first, records: 0, tornReason: nil)
        for attempt in 0...Self.tailRetries {
            end.tornReason = nil
            var walk = Walk(position: position, records: end.records)
            try walk.run(segmentBytes: size, files: files, body)
            position = walk.position
            end = End(logOffset: walk.position, records: walk.records, tornReason: walk.tornReason)
            if end.tornReason == nil || attempt == Self.tailRetries { break }
            usleep(Self.tailPauseMicroseconds)
        }
        return end
    }

    /// One pass over the log from a position.
    private struct Walk {
        var position: Int64
        var records: Int
        var tornReason: String?
        /// A record with a wrong sum is a torn tail unless something sound follows it.
        var suspect: StoredRecord?

        init(position: Int64, records: Int) {
            self.position = position
            self.records = records
        }

        mutating func run(
            segmentBytes: Int64, files: [(base: Int64, file: ReadOnlyFile)], _ body: (Found) throws -> Void
        ) throws {
            var reader = LogReader(segmentBytes: segmentBytes, position: position) { offset, count throws(StoreError) in
                guard let (base, file) = files.last(where: { $0.base <= offset }), offset < base + file.size
                else { return ByteBuffer() }
                return try file.read(at: offset - base, count: count)
            }
            while true {
                let step = try reader.next()
                if let suspect, !Self.isEnd(step) {
                    try body(Found(record: suspect, isChecksumValid: false))
                    records += 1
                    position = suspect.logOffset + Int64(suspect.totalSize)
                    self.suspect = nil
                }
                switch step {
                case .record(let record):
                    try body(Found(record: record, isChecksumValid: true))
                    records += 1
                    position = reader.position
                case .damaged(let record): suspect = record
                case .nextSegment(let start): position = start
                case .unwritten:
                    if suspect != nil { tornReason = "the last body does not have its sum" }
                    return
                case .torn(let reason):
                    tornReason = suspect == nil ? reason : "the last body does not have its sum"
                    return
                }
            }
        }

        private static func isEnd(_ step: LogWalk.Step) -> Bool {
            switch step {
            case .unwritten, .torn: true
            case .record, .damaged, .nextSegment: false
            }
        }
    }
}

/// A file opened for reading only.
private final class ReadOnlyFile: Sendable {
    let path: FilePath
    let size: Int64
    private let descriptor: CInt

    init(_ path: FilePath) throws(StoreError) {
        self.path = path
        descriptor = open(path.string, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open", path, Errno(rawValue: errno)) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("fstat", path, Errno(rawValue: errno)) }
        size = Int64(status.st_size)
    }

    deinit { close(descriptor) }

    func read(at offset: Int64, count: Int) throws(StoreError) -> ByteBuffer {
        var buffer = ByteBuffer()
        let wanted = min(count, Int(size - offset))
        var failure: CInt = 0
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted) { target in
            let got = pread(descriptor, target.baseAddress, wanted, Int(offset))
            failure = got < 0 ? errno : 0
            return max(0, got)
        }
        if failure != 0 { throw .system("pread", path, Errno(rawValue: failure)) }
        return buffer
    }
}
