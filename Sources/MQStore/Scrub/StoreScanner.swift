public import MQWire
import NIOCore
public import SystemPackage

/// Reads a store's commit log from its files alone, without opening the store: offline, or beside a running broker.
///
/// It writes nothing, not even a lock. A broker that is writing may be in the middle of its last record; a place that
/// looks torn or damaged is therefore looked at again before it is called so.
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
        /// Where segments are missing between others.
        public var missing: [Range<Int64>]
        /// Places that the disk cannot read; damage lies there.
        public var unreadable: [Range<Int64>] = []
    }

    private let directory: FilePath
    private let io: any StorageIO

    private let pause: ScrubPause

    /// How often a tail that looks torn is looked at again while nothing of it changes, and the pause before each.
    private static let tailRetries = 5
    private static let tailPause = Duration.milliseconds(20)
    /// How often a tail is looked at that goes on growing: then it is alive, and not torn.
    private static let liveTailLooks = 100

    /// A scanner of the store below `root`, or of the segments in `root` itself when it has no `commitlog`: also of what was
    /// cut from a log (``LogCut``).
    public init(root: FilePath) { self.init(root: root, io: SystemStorage()) }

    init(root: FilePath, io: any StorageIO, pause: @escaping ScrubPause = MachinePause.sleep) {
        self.pause = pause
        self.io = io
        // Where it cannot be told the attempt to open it will say why.
        let hasLog = (try? io.exists(root.appending("commitlog"))) ?? true
        directory = hasLog ? root.appending("commitlog") : root
    }

    /// Hands every record to `body`, in the log's order, and says where the log ends.
    ///
    /// - Throws: ``StoreError`` when there is no segment or a file cannot be read.
    public func scan(_ body: (Found) throws -> Void) throws -> End { try scan(syncedTo: 0, body) }

    /// The same for a log that is known to have been whole up to here: what cannot be read of that is damage, and no torn
    /// tail, as a start judges it, too.
    func scan(syncedTo synced: Int64, _ body: (Found) throws -> Void) throws -> End {
        let files = try openLog()
        let beginning = try LogCut.range(of: directory, io: io)?.lowerBound ?? files.beginning
        var end = End(logOffset: beginning, records: 0, tornReason: nil, damaged: [], missing: files.gaps)
        let walks = files.walks
        for walk in walks.dropLast() {
            try Self.walk(walk.source, syncedTo: synced, &end, body)
            if end.logOffset < walk.end { end.damaged.append(end.logOffset..<walk.end) }
            end.logOffset = files.gaps.first { $0.lowerBound == walk.end }?.upperBound ?? walk.end
        }
        if let last = walks.last { try scanTail(last.source, syncedTo: synced, &end, body) }
        let whole = min(synced, files.end)
        if end.logOffset < whole {
            end.damaged.append(end.logOffset..<whole)
            end.logOffset = whole
            end.tornReason = nil
        }
        let readable = files.places.readable(from: end.logOffset)
        if readable > end.logOffset {
            // Nobody can write there either: the log goes on behind it.
            end.logOffset = readable
            end.tornReason = nil
        }
        end.unreadable = files.places.ranges
        return end
    }

    /// The last piece of the log, whose end a broker may be writing.
    private func scanTail(
        _ source: LogReader.Source, syncedTo synced: Int64, _ end: inout End, _ body: (Found) throws -> Void
    ) throws {
        var unchanged = 0
        for _ in 0..<Self.liveTailLooks {
            let before = end.logOffset
            try Self.walk(source, syncedTo: synced, &end, body)
            unchanged = end.logOffset == before ? unchanged + 1 : 0
            if end.tornReason == nil || unchanged > Self.tailRetries { return }
            pause(Self.tailPause)
        }
        end.tornReason = nil
    }

    /// The log's files, opened for reading.
    func openLog() throws(StoreError) -> LogFiles { try LogFiles(directory: directory, io: io) }

    /// One pass over the log from the end of the one before.
    private static func walk(
        _ source: LogReader.Source, syncedTo synced: Int64, _ end: inout End, _ body: (Found) throws -> Void
    ) throws {
        end.tornReason = nil
        var survey = LogSurvey(source, from: end.logOffset, past: .unknown(syncedTo: synced))
        while true {
            switch try survey.next() {
            case .record(let record):
                try body(Found(record: record, isChecksumValid: true))
                end.records += 1
            case .damage(let range, let record):
                if let sound = try whole(range, source) {
                    for record in sound { try body(Found(record: record, isChecksumValid: true)) }
                    end.records += sound.count
                } else if let record {
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

    /// What stands in a place that looked damaged, when it is sound at a second look.
    ///
    /// Beside a broker the walk may meet a record that is half written, and then a whole one behind it that came meanwhile.
    /// The log is written in its order, so that what stands before a whole record is whole by then, or damaged.
    private static func whole(
        _ range: Range<Int64>, _ source: LogReader.Source
    ) throws(StoreError) -> [StoredRecord]? {
        var reader = LogReader(source, position: range.lowerBound)
        var records: [StoredRecord] = []
        while reader.position < range.upperBound {
            switch try reader.next() {
            case .record(let record): records.append(record)
            case .nextSegment: continue
            case .damaged, .unwritten, .torn: return nil
            }
        }
        return reader.position == range.upperBound ? records : nil
    }
}
