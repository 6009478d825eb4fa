import MQWire
import NIOCore
public import SystemPackage

/// Looks through a store for damage, from its files alone: offline, or beside a running broker. Writes nothing.
///
/// Three ways are gone:
///
/// 1. *From the log to the queues.* Each record is summed, and its queue must hold the entry that follows from it, to the
///    byte: a queue's file that is gone, an entry that is rotten in any of its fields.
/// 2. *From the queues to the log.* Each entry that no record stood up for must lead to a record of its own: one whose
///    record says another topic, one that leads behind the log's end because that is gone.
/// 3. *From the index files to the log* (``IndexScrub``).
///
/// A broker may write, remove and make files meanwhile. What looks wrong is therefore looked at again at the end, and
/// named when it is still wrong: a record may have been read before its entry was there, a failed write been taken back,
/// a segment been too old, a topic been deleted.
///
/// What cannot be known: whether segments are missing before the first one, unless more is left that leads to them than is
/// left when they were too old; and the end of a log that neither a queue nor the checkpoint knows of.
public struct StoreScrubber: Sendable {
    /// Damage, and where.
    public enum Finding: Sendable, Hashable {
        /// The disk cannot read these bytes of a file, named below the store's folder.
        case unreadable(file: String, bytes: Range<Int64>)
        /// The record's body does not have its sum, or its names hold zero bytes.
        case damagedRecord(logOffset: Int64, topic: String, queueID: Int32, queueOffset: Int64)
        /// No record can be read here, although sound ones stand behind.
        case damagedPlace(Range<Int64>)
        /// The log's files for this range are gone, and there are some behind.
        case missingSegments(Range<Int64>)
        /// The log ends in something that is no record.
        case tornTail(logOffset: Int64, reason: String)
        /// The log ends before a message that was stored at this time, and that the checkpoint knows to be on the disk.
        case missingEnd(logOffset: Int64, syncedTimestamp: Int64)
        /// An entry leads to no record of its own, or does not say of it what it should.
        case damagedEntry(topic: String, queueID: Int32, queueOffset: Int64, logOffset: Int64)
        /// No entries lead to these messages of the log; the first of them stands at the log offset.
        case missingEntries(topic: String, queueID: Int32, queueOffsets: Range<Int64>, logOffset: Int64)
        /// Entries lead behind the log's end.
        case entriesBehindEnd(topic: String, queueID: Int32, queueOffsets: Range<Int64>)
        /// Whole files of a queue lead before the log's beginning, although they go with the segments that they lead to when
        /// those are too old: the segments were lost, or removed by hand.
        case missingBeginning(topic: String, queueID: Int32, queueOffsets: Range<Int64>, logOffset: Int64)
        /// A queue ends before where it is known to have ended, and the log does not have these messages either: numbers
        /// that were given would be given again.
        case missingQueueEnd(topic: String, queueID: Int32, queueOffsets: Range<Int64>)
        /// An index file's header does not say what the file holds.
        case damagedIndexHeader(file: String, reason: String)
        /// Entries of an index file lead to no record with such a key, or their chains do not go back from entry to entry.
        case damagedIndexEntries(file: String, entries: Range<Int64>, logOffset: Int64)
        /// Slots of an index file do not name their newest entries.
        case damagedIndexSlots(file: String, slots: Range<Int64>)
        /// Places that an earlier recovery found lost: no reader is served from them. No damage any more, as it is known.
        case lostMessages(topic: String, queueID: Int32, queueOffsets: Range<Int64>)
    }

    /// What was looked at.
    public struct Summary: Sendable, Hashable {
        /// The sound records and the damaged ones.
        public var records: Int
        /// The queue entries that are what their records say.
        public var entries: Int
        /// The index entries that are what their records say, or lead to what is too old.
        public var indexEntries = 0
        /// The index files that were not looked into, as their shape is not known.
        public var unreadIndexFiles = 0
        /// The end of the log, in bytes.
        public var logEnd: Int64
        /// How many findings of damage there were.
        public var findings: Int
        /// How many messages earlier recoveries found lost.
        public var lostMessages = 0
    }

    private let root: FilePath
    private let io: any StorageIO
    private let indexSlots: Int?
    private let pause: ScrubPause

    /// A scrubber of the store below `root`.
    ///
    /// - Parameter indexSlots: the slots of its index files (`maxHashSlotNum`), where they are not a fourth of their
    ///   entries (`maxIndexNum`).
    public init(root: FilePath, indexSlots: Int? = nil) {
        self.init(root: root, indexSlots: indexSlots, io: SystemStorage())
    }

    init(
        root: FilePath, indexSlots: Int? = nil, io: any StorageIO, pause: @escaping ScrubPause = MachinePause.sleep
    ) {
        self.io = io
        self.pause = pause
        self.root = root
        self.indexSlots = indexSlots
    }

    /// Hands each finding to `body`, the log's in its order and then the queues' and the
    /// index files'.
    ///
    /// - Throws: ``StoreError`` when there is no log or a file cannot be read.
    public func scrub(_ body: (Finding) -> Void) throws -> Summary {
        try checkRoot()
        var summary = Summary(records: 0, entries: 0, logEnd: 0, findings: 0)
        func tell(_ finding: Finding) {
            if case .lostMessages(_, _, let places) = finding {
                summary.lostMessages += places.count
            } else {
                summary.findings += 1
            }
            body(finding)
        }
        // Before the log: what it vouches for is in the log by then.
        let unreadable = UnreadableFiles()
        let checkpoint = try note("checkpoint", unreadable) { path throws(StoreError) in
            try Checkpoint.read(from: path, io: io)
        }
        let scanner = StoreScanner(root: root, io: io, pause: pause)
        let queueEnds = try queueEnds(beside: checkpoint, unreadable)
        let synced = [checkpoint?.reach?.logOffset, queueEnds?.logEnd].compactMap { $0 }.max() ?? 0
        var queues = try QueueScrub(root: root, io: io, unreadable: unreadable, pause: pause)
        var lastTimestamp: Int64 = 0
        let end = try scanner.scan(syncedTo: synced) { found in
            let record = found.record
            lastTimestamp = max(lastTimestamp, record.storeTimestamp)
            try queues.take(record, isSound: found.isChecksumValid)
            if found.isChecksumValid { return }
            tell(
                .damagedRecord(
                    logOffset: record.logOffset, topic: record.topic, queueID: record.queueID,
                    queueOffset: record.queueOffset))
        }
        if !end.unreadable.isEmpty { try scanner.openLog().note(end.unreadable, in: unreadable) }
        for range in end.damaged { tell(.damagedPlace(range)) }
        for range in end.missing { tell(.missingSegments(range)) }
        if let reason = end.tornReason { tell(.tornTail(logOffset: end.logOffset, reason: reason)) }
        if let checkpoint {
            // Of a batch all have one time, and a header that went bad has any: where the log ended tells more.
            let isShort =
                checkpoint.reach.map { $0.logOffset > end.logOffset } ?? (checkpoint.logTimestamp > lastTimestamp)
            if isShort { tell(.missingEnd(logOffset: end.logOffset, syncedTimestamp: checkpoint.logTimestamp)) }
        }
        summary.records = end.records
        summary.logEnd = end.logOffset
        summary.entries = try queues.finish(end, scanner, tell)
        for finding in unreadable.findings(below: root) { tell(finding) }
        if let queueEnds {
            try queues.holdAgainst(queueEnds, logStart: try scanner.openLog().source.beginning, tell)
        }
        var index = try IndexScrub(root: root, io: io, slotCount: indexSlots, end: end, scanner: scanner, pause: pause)
        try index.run(scanner, tell)
        summary.indexEntries = index.entries
        summary.unreadIndexFiles = index.unreadFiles
        return summary
    }

    /// Where the queues are known to have ended, as far as a start believes it (``StoreNotes``).
    private func queueEnds(
        beside checkpoint: Checkpoint?, _ unreadable: UnreadableFiles
    ) throws(StoreError) -> QueueEnds? {
        if let checkpoint, checkpoint.reach == nil { return nil }
        return try note("queueEnds", unreadable) { path throws(StoreError) in
            try ReplacedFile(path, io: io, keepsBackup: false).load().flatMap(QueueEnds.init)
        }
    }

    /// What a small file says; `nil` when the disk cannot read it.
    private func note<Note>(
        _ name: String, _ unreadable: UnreadableFiles, _ load: (FilePath) throws(StoreError) -> Note?
    ) throws(StoreError) -> Note? {
        let path = root.appending(name)
        do throws(StoreError) { return try load(path) } catch {
            guard error.code == .unreadable else { throw error }
            unreadable.note(path, try io.open(path, .read).unreadableRanges())
            return nil
        }
    }

    /// Refuses a folder that is no store's: what lies beside the log would seem to be missing.
    private func checkRoot() throws(StoreError) {
        let names = try io.names(in: root)
        guard !names.contains("commitlog") else { return }
        let what =
            if names.contains(where: { Segment.baseOffset(ofName: $0) != nil }) {
                "this is the folder of a log or a queue"
            } else {
                try io.exists(root) ? "there is no 'commitlog' in this folder" : "there is no such folder"
            }
        throw StoreError(.noStore, path: root, message: "\(what); name the broker's storePathRootDir")
    }
}
