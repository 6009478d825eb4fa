import MQWire
import NIOCore
public import SystemPackage

/// Looks through a store for damage, from its files alone: offline, or beside a running broker. Writes nothing.
///
/// Each record of the log is summed, and each queue entry is held against the record it leads to. Beside a broker the
/// log is read first and the queues afterwards, so that what is appended meanwhile is not called damage: entries of
/// records behind the log's end at that moment are not looked at.
public struct StoreScrubber: Sendable {
    /// Damage, and where.
    public enum Finding: Sendable, Hashable {
        /// The record's body does not have its sum, or its names hold zero bytes.
        case damagedRecord(logOffset: Int64, topic: String, queueID: Int32, queueOffset: Int64)
        /// No record can be read here, although sound ones stand behind.
        case damagedPlace(Range<Int64>)
        /// The log ends in something that is no record.
        case tornTail(logOffset: Int64, reason: String)
        /// An entry leads to no record of its own.
        case damagedEntry(topic: String, queueID: Int32, queueOffset: Int64, logOffset: Int64)
        /// A place that recovery found lost: no reader is served from it.
        case lostMessage(topic: String, queueID: Int32, queueOffset: Int64)
    }

    /// What was looked at.
    public struct Summary: Sendable, Hashable {
        /// The sound records and the damaged ones.
        public var records: Int
        /// The queue entries that were held against their records.
        public var entries: Int
        /// The end of the log, in bytes.
        public var logEnd: Int64
        /// How many findings there were.
        public var findings: Int
    }

    private let root: FilePath
    private let io: any StorageIO = SystemStorage()

    /// The bytes of a record that name its place: up to its own log offset.
    private static let namedBytes = RecordLayout.sysFlagOffset
    /// The entries read at once.
    private static let windowEntries = 4096

    /// A scrubber of the store below `root`.
    public init(root: FilePath) { self.root = root }

    /// Hands each finding to `body`, the log's in its order and then the queues'.
    ///
    /// - Throws: ``StoreError`` when there is no log or a file cannot be read.
    public func scrub(_ body: (Finding) -> Void) throws -> Summary {
        var summary = Summary(records: 0, entries: 0, logEnd: 0, findings: 0)
        func tell(_ finding: Finding) {
            summary.findings += 1
            body(finding)
        }
        let scanner = StoreScanner(root: root)
        let end = try scanner.scan { found in
            if found.isChecksumValid { return }
            tell(
                .damagedRecord(
                    logOffset: found.record.logOffset, topic: found.record.topic, queueID: found.record.queueID,
                    queueOffset: found.record.queueOffset))
        }
        for range in end.damaged { tell(.damagedPlace(range)) }
        if let reason = end.tornReason { tell(.tornTail(logOffset: end.logOffset, reason: reason)) }
        summary.records = end.records
        summary.logEnd = end.logOffset
        var entries = 0
        let queues = root.appending("consumequeue")
        let log = try scanner.openLog()
        for topic in try io.names(in: queues) {
            for queue in try io.names(in: queues.appending(topic)) {
                guard let queueID = Int32(queue) else { continue }
                let directory = queues.appending(topic).appending(queue)
                try check(
                    directory, QueueKey(topic: topic, queueID: queueID), log: log, end: end.logOffset,
                    entries: &entries, tell)
            }
        }
        summary.entries = entries
        return summary
    }

    private func check(
        _ directory: FilePath, _ key: QueueKey, log: LogReader.Source, end: Int64, entries: inout Int,
        _ tell: (Finding) -> Void
    ) throws(StoreError) {
        let width = Int(QueueEntry.encodedSize)
        for name in try io.names(in: directory) {
            guard let base = Segment.baseOffset(ofName: name) else { continue }
            let file = try io.open(directory.appending(name), .read)
            let size = try file.size()
            var position: Int64 = 0
            while let data = try file.nextData(from: position), data < size {
                position = max(position, data / QueueEntry.encodedSize * QueueEntry.encodedSize)
                var bytes = [UInt8](repeating: 0, count: Self.windowEntries * width)
                let count = try bytes.read(from: file, at: position)
                var window = ByteBuffer(bytes: bytes.prefix(count / width * width))
                if window.readableBytes == 0 { break }
                while window.readableBytes >= width {
                    let queueOffset = (base + position) / QueueEntry.encodedSize
                    position += QueueEntry.encodedSize
                    guard let entry = QueueEntry(from: &window) else { continue }
                    if entry.isBlank {
                        tell(.lostMessage(topic: key.topic, queueID: key.queueID, queueOffset: queueOffset))
                    } else if entry.end <= end {
                        entries += 1
                        if !(try Self.leads(entry, to: key, queueOffset, in: log)) {
                            tell(
                                .damagedEntry(
                                    topic: key.topic, queueID: key.queueID, queueOffset: queueOffset,
                                    logOffset: entry.logOffset))
                        }
                    }
                }
            }
        }
    }

    /// Whether the record says of itself what the entry says; its sum was looked at before.
    ///
    /// Entries of messages that are too old, before the log's beginning, lead nowhere and are right.
    private static func leads(
        _ entry: QueueEntry, to key: QueueKey, _ queueOffset: Int64, in log: LogReader.Source
    ) throws(StoreError) -> Bool {
        guard entry.logOffset >= log.beginning else { return true }
        let record = try log.fetch(entry.logOffset, namedBytes)
        let start = record.readerIndex
        return record.getInteger(at: start, as: Int32.self) == entry.size
            && record.getInteger(at: start + RecordLayout.queueIDOffset, as: Int32.self) == key.queueID
            && record.getInteger(at: start + RecordLayout.queueOffsetOffset, as: Int64.self) == queueOffset
            && record.getInteger(at: start + RecordLayout.logOffsetOffset, as: Int64.self) == entry.logOffset
    }
}

extension [UInt8] {
    /// Fills the array from a file; gives how many bytes were there.
    fileprivate mutating func read(from file: any StorageFile, at offset: Int64) throws(StoreError) -> Int {
        var failure: StoreError?
        let count = withUnsafeMutableBytes { target in
            do throws(StoreError) { return try file.read(into: target, at: offset) } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        return count
    }
}
