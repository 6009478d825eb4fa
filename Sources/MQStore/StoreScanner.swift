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
        /// Places in the middle at which no record can be read, although sound ones stand behind them.
        public var damaged: [Range<Int64>]
    }

    private let directory: FilePath
    private let io: any StorageIO = SystemStorage()

    /// How often a tail that looks torn is looked at again, and the pause before each, in microseconds.
    private static let tailRetries = 5
    private static let tailPauseMicroseconds: UInt32 = 20_000

    /// A scanner of the store below `root`, or of the segments in `root` itself when it has no `commitlog`.
    public init(root: FilePath) {
        directory = io.exists(root.appending("commitlog")) ? root.appending("commitlog") : root
    }

    /// Hands every record to `body`, in the log's order, and says where the log ends.
    ///
    /// - Throws: ``StoreError`` when there is no segment or a file cannot be read.
    public func scan(_ body: (Found) throws -> Void) throws -> End {
        let source = try openLog()
        var end = End(logOffset: source.beginning, records: 0, tornReason: nil, damaged: [])
        for attempt in 0...Self.tailRetries {
            end.tornReason = nil
            try Self.walk(source, &end, body)
            if end.tornReason == nil || attempt == Self.tailRetries { break }
            usleep(Self.tailPauseMicroseconds)
        }
        return end
    }

    /// The log's files, opened for reading.
    func openLog() throws -> LogReader.Source {
        let bases = try io.names(in: directory).compactMap(Segment.baseOffset(ofName:))
        guard !bases.isEmpty else {
            throw StoreError(
                .layout, path: directory, message: "no commit log segment here; name the broker's storePathRootDir")
        }
        let files = try bases.map { base throws(StoreError) in
            let file = try io.open(directory.appending(Segment.name(base)), .read)
            return LogFile(base: base, file: file, size: try file.size())
        }
        guard let size = files.first?.size, size > 0 else {
            throw StoreError(.layout, path: directory, message: "the first segment is empty")
        }
        return Self.source(files, segmentBytes: size)
    }

    /// One pass over the log from the end of the one before.
    private static func walk(_ source: LogReader.Source, _ end: inout End, _ body: (Found) throws -> Void) throws {
        var survey = LogSurvey(source, from: end.logOffset, keepsTail: false)
        while true {
            switch try survey.next() {
            case .record(let record):
                try body(Found(record: record, isChecksumValid: true))
                end.records += 1
            case .damage(let range, let record):
                if let record {
                    try body(Found(record: record, isChecksumValid: false))
                    end.records += 1
                } else {
                    end.damaged.append(range)
                }
            case .end(let offset, let reason):
                end.logOffset = offset
                end.tornReason = reason
                return
            }
        }
    }

    /// A segment's file, opened for reading only.
    private struct LogFile {
        var base: Int64
        var file: any StorageFile
        var size: Int64
    }

    private static func source(_ files: [LogFile], segmentBytes: Int64) -> LogReader.Source {
        LogReader.Source(
            segmentBytes: segmentBytes, beginning: files.first?.base ?? 0,
            fetch: { offset, count throws(StoreError) in
                var buffer = ByteBuffer()
                guard let place = files.last(where: { $0.base <= offset }), offset < place.base + place.size
                else { return buffer }
                let wanted = min(count, Int(place.base + place.size - offset))
                var failure: StoreError?
                buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted) { target in
                    do throws(StoreError) {
                        return try place.file.read(
                            into: .init(rebasing: target[..<wanted]), at: offset - place.base)
                    } catch {
                        failure = error
                        return 0
                    }
                }
                if let failure { throw failure }
                return buffer
            },
            nextData: { offset throws(StoreError) in
                for place in files where place.base + place.size > offset {
                    if let found = try place.file.nextData(from: max(0, offset - place.base)), found < place.size {
                        return max(offset, place.base + found)
                    }
                }
                return nil
            })
    }
}
