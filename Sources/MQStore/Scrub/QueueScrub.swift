import MQWire
import NIOCore
import SystemPackage

/// What a scrub knows of the consume queues while it walks the log, and what it makes of them afterwards.
struct QueueScrub {
    /// Places of a queue, one after another, at which log and queue do not say the same.
    private struct Suspect {
        var key: QueueKey
        var places: Range<Int64>
        /// Where the records stand that have no right entry, of the first places; empty when it is the entries that have no
        /// right record.
        var logOffsets: [Int64] = []
    }

    /// A queue that records or entries were looked up in.
    private struct Queue {
        var files: QueueFiles
        var exists: Bool
        /// The places whose entry is what its record says.
        var confirmed = RangeSet<Int64>()
        /// The places at which a record did not find its entry.
        var suspected = RangeSet<Int64>()
        /// Which suspect may go on here.
        var openSuspect: Int?
    }

    private let root: FilePath
    private let io: any StorageIO
    private let pause: ScrubPause
    private let unreadable: UnreadableFiles
    private let topics: ConfiguredTopics
    private var deleted: DeletedTopics
    private var queues: [QueueKey: Queue] = [:]
    private var opened = 0
    private var suspects: [Suspect] = []
    /// Entries that lead behind the log's end.
    private var endless: [Suspect] = []
    /// Whole files of entries that lead before the log's beginning.
    private var beginnings: [Suspect] = []
    private var entries = 0
    /// One past the last entry of each queue.
    private var ends: [QueueKey: Int64] = [:]

    /// The queues that are held open at once.
    private static let openLimit = 256
    /// The records of a suspect that are looked at again; of more the damage is past doubt.
    private static let recordLimit = 4096
    /// How long the last look at what is suspect waits: a run of the writer's is through by then.
    private static let pauseBeforeLast = Duration.milliseconds(200)
    /// The longest delay of a message that is not taken for rot, in milliseconds: ten years.
    private static let longestDelay: Int64 = 10 * 365 * 86_400_000

    init(
        root: FilePath, io: any StorageIO, unreadable: UnreadableFiles, pause: @escaping ScrubPause
    ) throws(StoreError) {
        self.pause = pause
        self.unreadable = unreadable
        self.root = root
        self.io = io
        topics = ConfiguredTopics(root: root, io: io)
        deleted = try Self.deletedTopics(root, io)
    }

    private static func deletedTopics(_ root: FilePath, _ io: any StorageIO) throws(StoreError) -> DeletedTopics {
        try DeletedTopicsFile(root.appending("deletedTopics.json"), io: io, logEnd: .max).table
    }

    private func files(of key: QueueKey) -> QueueFiles {
        QueueFiles(
            key, directory: root.appending("consumequeue").appending(key.topic).appending(String(key.queueID)), io: io,
            unreadable: unreadable)
    }

    // MARK: From the log to the queues

    /// Holds a record against its entry.
    mutating func take(_ record: StoredRecord, isSound: Bool) throws(StoreError) {
        guard let key = Recovery.queue(of: record), !deleted.covers(record.topic, at: record.logOffset) else { return }
        try openIfNeeded(key)
        guard var queue = queues.removeValue(forKey: key) else { return }
        defer { queues[key] = queue }
        if !queue.exists, topics.haveLost(key.topic) { return }
        let entry = queue.exists ? try queue.files.entry(at: record.queueOffset) : nil
        if let entry, Self.fits(entry, record, isSound: isSound) {
            queue.confirmed.insert(contentsOf: record.queueOffset..<record.queueOffset + 1)
            entries += 1
        } else if isSound, entry?.isBlank != true {
            suspect(&queue, record)
        }
    }

    private mutating func suspect(_ queue: inout Queue, _ record: StoredRecord) {
        let place = record.queueOffset
        guard place >= 0, place < .max else { return }
        queue.suspected.insert(contentsOf: place..<place + 1)
        guard let index = queue.openSuspect, suspects[index].places.upperBound == place else {
            queue.openSuspect = suspects.count
            suspects.append(
                Suspect(key: queue.files.key, places: place..<place + 1, logOffsets: [record.logOffset]))
            return
        }
        suspects[index].places = suspects[index].places.lowerBound..<place + 1
        if suspects[index].logOffsets.count < Self.recordLimit { suspects[index].logOffsets.append(record.logOffset) }
    }

    private mutating func openIfNeeded(_ key: QueueKey) throws(StoreError) {
        if queues[key] == nil {
            let files = files(of: key)
            queues[key] = Queue(files: files, exists: try files.exists)
        }
        guard queues[key]?.files.isOpen == false else { return }
        opened += 1
        guard opened > Self.openLimit else { return }
        for key in queues.keys { queues[key]?.files.close() }
        opened = 1
    }

    /// Whether the entry is the record's.
    ///
    /// Of a damaged record's fields only those are held against it that led here. When a delayed message is due follows
    /// from a table that an operator may have changed; what he can set are whole seconds, which no flipped bit keeps.
    private static func fits(_ entry: QueueEntry, _ record: StoredRecord, isSound: Bool) -> Bool {
        guard entry.logOffset == record.logOffset, entry.size == record.totalSize else { return false }
        guard isSound else { return true }
        let due = QueueEntry(record, delayLevelMilliseconds: DelayLevels.standard).tagCode
        if entry.tagCode == due { return true }
        guard record.topic == DelayLevels.topic, entry.tagCode >= record.storeTimestamp else { return false }
        let delay = entry.tagCode - record.storeTimestamp
        return delay % 1000 == 0 && delay <= longestDelay
    }

    // MARK: From the queues to the log

    /// Looks through the entries and once more at what is suspect; gives how many entries are sound.
    mutating func finish(
        _ end: StoreScanner.End, _ scanner: StoreScanner, _ tell: (StoreScrubber.Finding) -> Void
    ) throws -> Int {
        for key in queues.keys { queues[key]?.files.close() }
        let log = try scanner.openLog()
        for topic in try io.names(in: root.appending("consumequeue")) {
            for name in try io.names(in: root.appending("consumequeue").appending(topic)) {
                guard let queueID = Int32(name) else { continue }
                try look(through: QueueKey(topic: topic, queueID: queueID), log, end, tell)
            }
        }
        try settle(scanner, tell)
        return entries
    }

    private mutating func look(
        through key: QueueKey, _ log: LogFiles, _ end: StoreScanner.End, _ tell: (StoreScrubber.Finding) -> Void
    ) throws(StoreError) {
        let queue = queues[key] ?? Queue(files: files(of: key), exists: true)
        let lost = end.damaged + end.missing
        let source = log.source
        var isBeginning = true
        var sound = 0
        // The last entry that leads before the log's beginning, of those before the first that does not.
        var lastOld: Int64?
        var isInLog = false
        var behind: Range<Int64>?
        var found = RangeSet<Int64>()
        var letGo = RangeSet<Int64>()
        try queue.files.forEach { entry, place throws(StoreError) in
            ends[key] = place + 1
            if entry.isBlank {
                // RocketMQ fills the places before a queue's first message so; and what is too old is not lost.
                if !(isBeginning && entry.logOffset == 0), entry.logOffset >= log.beginning {
                    letGo.insert(contentsOf: place..<place + 1)
                }
                return
            }
            isBeginning = false
            if entry.logOffset >= log.beginning { isInLog = true } else if !isInLog { lastOld = place }
            // Said already, or to be said; or too old.
            if queue.suspected.contains(place) || lost.contains(where: { $0.contains(entry.logOffset) }) { return }
            let isOld = entry.logOffset >= 0 && entry.logOffset < log.beginning
            var isSound = isOld || queue.confirmed.contains(place)
            if !isSound { isSound = try Self.leads(entry, key, place, in: source) }
            if isSound, !isOld, !queue.confirmed.contains(place) { sound += 1 }
            if !isSound, entry.logOffset >= end.logOffset, behind?.upperBound ?? place == place {
                behind = (behind?.lowerBound ?? place)..<place + 1
                return
            }
            // An entry in order follows: the ones before are rotten, and do not lead to an end that is gone.
            if let places = behind { found.insert(contentsOf: places) }
            behind = nil
            if !isSound { found.insert(contentsOf: place..<place + 1) }
        }
        entries += sound
        for places in found.ranges { suspects.append(Suspect(key: key, places: places)) }
        if let lastOld, let places = try queue.files.wholeFiles(before: lastOld + 1) {
            beginnings.append(Suspect(key: key, places: places))
        }
        if let behind { endless.append(Suspect(key: key, places: behind)) }
        for places in letGo.ranges {
            tell(.lostMessages(topic: key.topic, queueID: key.queueID, queueOffsets: places))
        }
    }

    /// Whether the entry leads to a record that is its own.
    private static func leads(
        _ entry: QueueEntry, _ key: QueueKey, _ place: Int64, in log: LogReader.Source
    ) throws(StoreError) -> Bool {
        guard let record = try record(at: entry.logOffset, in: log), Recovery.queue(of: record) == key,
            record.queueOffset == place
        else { return false }
        return fits(entry, record, isSound: record.isChecksumValid)
    }

    /// The record that stands at a log offset and says so, sound or not.
    private static func record(at offset: Int64, in log: LogReader.Source) throws(StoreError) -> StoredRecord? {
        guard offset >= log.beginning else { return nil }
        var reader = LogReader(log, position: offset)
        switch try reader.next() {
        case .record(let record), .damaged(let record): return record
        case .nextSegment, .unwritten, .torn: return nil
        }
    }

    /// Names queues that end before where they are known to have ended, and not for want of entries that were named:
    /// the log has no more of these messages either.
    mutating func holdAgainst(
        _ known: QueueEnds, logStart: Int64, _ tell: (StoreScrubber.Finding) -> Void
    ) throws(StoreError) {
        deleted = try Self.deletedTopics(root, io)
        for entry in known.lacking(deleted, logStart: logStart, { ends[$0] ?? 0 }) {
            let key = entry.key
            let folder = root.appending("consumequeue").appending(key.topic)
            if topics.haveLost(key.topic), !(try io.exists(folder)) { continue }
            let named = queues[key]?.suspected.ranges.last?.upperBound ?? 0
            let start = max(ends[key] ?? 0, named)
            if start < entry.end {
                tell(.missingQueueEnd(topic: key.topic, queueID: key.queueID, queueOffsets: start..<entry.end))
            }
        }
    }

    // MARK: The last look

    private mutating func settle(_ scanner: StoreScanner, _ tell: (StoreScrubber.Finding) -> Void) throws {
        guard !suspects.isEmpty || !endless.isEmpty || !beginnings.isEmpty else { return }
        pause(Self.pauseBeforeLast)
        deleted = try Self.deletedTopics(root, io)
        let log = try scanner.openLog().source
        for suspect in beginnings {
            let key = suspect.key
            let files = files(of: key)
            guard let places = try files.wholeFiles(before: suspect.places.upperBound) else { continue }
            tell(
                .missingBeginning(
                    topic: key.topic, queueID: key.queueID, queueOffsets: places, logOffset: log.beginning))
        }
        for suspect in suspects {
            // Made anew: nothing of what was read before.
            var files = files(of: suspect.key)
            if suspect.logOffsets.isEmpty {
                try settleEntries(suspect, &files, log, tell)
            } else {
                try settleRecords(suspect, &files, log, tell)
            }
        }
        for suspect in endless {
            var files = files(of: suspect.key)
            let key = suspect.key
            var first: Int64?
            for place in suspect.places where first == nil {
                guard let entry = try files.entry(at: place) else { continue }
                if try Self.leads(entry, key, place, in: log) { entries += 1 } else { first = place }
            }
            guard let first else { continue }
            tell(
                .entriesBehindEnd(
                    topic: key.topic, queueID: key.queueID, queueOffsets: first..<suspect.places.upperBound))
        }
    }

    /// Entries that led to no record of their own.
    private mutating func settleEntries(
        _ suspect: Suspect, _ files: inout QueueFiles, _ log: LogReader.Source, _ tell: (StoreScrubber.Finding) -> Void
    ) throws(StoreError) {
        for place in suspect.places {
            guard let entry = try files.entry(at: place), !entry.isBlank else { continue }
            if try Self.leads(entry, suspect.key, place, in: log) {
                entries += 1
            } else {
                tell(
                    .damagedEntry(
                        topic: suspect.key.topic, queueID: suspect.key.queueID, queueOffset: place,
                        logOffset: entry.logOffset))
            }
        }
    }

    /// Records that did not find their entries.
    private mutating func settleRecords(
        _ suspect: Suspect, _ files: inout QueueFiles, _ log: LogReader.Source, _ tell: (StoreScrubber.Finding) -> Void
    ) throws(StoreError) {
        let key = suspect.key
        let confirmed = queues[key]?.confirmed ?? RangeSet()
        var missing: (places: Range<Int64>, logOffset: Int64)?
        func tellMissing() {
            guard let (places, logOffset) = missing else { return }
            missing = nil
            tell(
                .missingEntries(topic: key.topic, queueID: key.queueID, queueOffsets: places, logOffset: logOffset))
        }
        for place in suspect.places {
            let index = Int(place - suspect.places.lowerBound)
            let logOffset = index < suspect.logOffsets.count ? suspect.logOffsets[index] : nil
            if let logOffset, !(try isStill(logOffset, key, place, in: log)) {
                tellMissing()
                continue
            }
            let entry = try files.entry(at: place)
            if entry == nil || confirmed.contains(place) {
                let first = missing?.logOffset ?? logOffset ?? -1
                missing = ((missing?.places.lowerBound ?? place)..<place + 1, first)
                continue
            }
            tellMissing()
            guard let entry, !entry.isBlank else { continue }
            if try Self.leads(entry, key, place, in: log) {
                entries += 1
            } else {
                tell(
                    .damagedEntry(
                        topic: key.topic, queueID: key.queueID, queueOffset: place, logOffset: entry.logOffset))
            }
        }
        tellMissing()
    }

    /// Whether the record still stands there, and its topic was not deleted: a write may have been taken back, and a
    /// segment removed.
    private func isStill(
        _ logOffset: Int64, _ key: QueueKey, _ place: Int64, in log: LogReader.Source
    ) throws(StoreError) -> Bool {
        guard !deleted.covers(key.topic, at: logOffset), let record = try Self.record(at: logOffset, in: log) else {
            return false
        }
        return Recovery.queue(of: record) == key && record.queueOffset == place
    }
}
