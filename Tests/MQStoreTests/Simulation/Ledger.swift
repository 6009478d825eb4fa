import MQWire
import NIOCore

@testable import MQStore

/// What was sent to a store, what it said of it, and so what it has promised.
///
/// A promise only ever falls by what may take it: a power cut takes what no sync covered, damage and deletion take what
/// they hit. And what a start once did not show is gone: it must not come back.
struct Ledger {
    /// A message that was handed to the store.
    struct Sent {
        var topic: String
        var queueID: Int32
        var answer: SteppedStore.Answer
        /// Its place in its append.
        var index: Int
        var draft: RecordDraft
        /// Where it is said to be.
        var place: (logOffset: Int64, queueOffset: Int64)?
        var bytes: Int64 = 0
        var state = Promise.unknown
        /// Whether it is all of its append.
        var isWhole: Bool
        /// The first start that did not show it.
        var goneSince: Int?
        /// A torn sector may have taken its born time, over which the format has no sum: nothing was promised.
        var mayBeTorn: Bool { state == .unknown || state == .released }
        /// Whether it must be where it is said to be.
        var isPromised: Bool { state == .written || state == .synced }
    }

    enum Promise {
        /// No answer came: it may be there.
        case unknown
        /// It is not there.
        case refused
        /// It is there until the power fails.
        case written
        /// It is there.
        case synced
        /// It may be gone: its bytes were damaged, its topic deleted, or power failed before a sync.
        case released
    }

    private struct QueuePlace: Hashable {
        var topic: String
        var queueID: Int32
        var offset: Int64
    }

    private(set) var sent: [Int: Sent] = [:]
    /// Those that may still be answered.
    private var pending: [Int] = []
    private var nextID = 1
    private var atLogOffset: [Int64: Int] = [:]
    private var atQueuePlace: [QueuePlace: Int] = [:]
    /// Where the log ended when a topic was deleted, and when its deletion was begun at least.
    private(set) var deletions: [String: Int64] = [:]
    private(set) var attempts: [String: Int64] = [:]
    /// What is before this offset may be gone because it was old.
    var removed: Int64 = 0
    /// Offsets at which the test damaged records.
    private(set) var damaged: Set<Int64> = []
    /// Sectors of the log that the test made unreadable.
    private(set) var unreadable: Set<Range<Int64>> = []
    /// The end of what any process said is synced.
    private(set) var syncedEnd: Int64 = 0
    /// From here on a power cut may have left holes.
    private(set) var holesFrom = Int64.max
    private(set) var met: Set<String> = []

    /// The numbers of all messages, in the order in which they were sent.
    var ids: [Int] { sent.keys.sorted() }

    /// Numbers for so many messages.
    mutating func number(_ count: Int) -> [Int] {
        defer { nextID += count }
        return Array(nextID..<nextID + count)
    }

    /// Messages were handed to the store as one append.
    mutating func add(_ ids: [Int], _ drafts: [RecordDraft], _ answer: SteppedStore.Answer) {
        for (index, id) in ids.enumerated() {
            sent[id] = Sent(
                topic: drafts[index].topic, queueID: drafts[index].queueID, answer: answer, index: index,
                draft: drafts[index], isWhole: ids.count == 1)
        }
        pending += ids
    }

    /// Takes in the answers that came, and how far the store says that its log is synced.
    ///
    /// - Returns: what of it breaks an earlier promise.
    mutating func settle(flushedTo flushed: Int64) -> String? {
        var objection: String?
        var unanswered: [Int] = []
        for id in pending {
            guard var message = sent[id] else { continue }
            guard let outcome = message.answer.outcome else {
                unanswered.append(id)
                continue
            }
            switch outcome {
            case .refused(let error):
                met.insert((error.code == .uncertain ? SimulationEvent.uncertain : .refused).rawValue)
                if error.code != .uncertain, message.state == .unknown, message.isWhole { message.state = .refused }
            case .stored(let receipt):
                if receipt.durability == .synced { met.insert(SimulationEvent.flushed.rawValue) }
                objection = take(receipt, for: id, &message) ?? objection
            case .unconfirmed(let receipt, .timedOut):
                met.insert(SimulationEvent.timedOut.rawValue)
                objection = take(receipt, for: id, &message) ?? objection
            case .unconfirmed(let receipt, .syncFailed):
                met.insert(SimulationEvent.syncFailed.rawValue)
                objection = take(receipt, for: id, &message) ?? objection
            }
            sent[id] = message
        }
        pending = unanswered
        syncedEnd = max(syncedEnd, flushed)
        for (id, message) in sent where message.state == .written {
            guard let place = message.place, place.logOffset + message.bytes <= flushed else { continue }
            sent[id]?.state = .synced
        }
        return objection
    }

    private mutating func take(_ receipt: AppendReceipt, for id: Int, _ message: inout Sent) -> String? {
        let offset = receipt.logOffsets[message.index]
        // Written anew, where a crash had cut off what the test damaged.
        damaged.remove(offset)
        message.place = (offset, receipt.queueOffset + Int64(message.index))
        message.bytes = Int64(message.draft.encodedSize)
        guard message.state == .unknown else { return nil }
        message.state = receipt.durability == .synced ? .synced : .written
        return occupy(id, message)
    }

    /// Notes who stands where; says who stands there already and must.
    private mutating func occupy(_ id: Int, _ message: Sent) -> String? {
        guard let place = message.place else { return nil }
        let queuePlace = QueuePlace(topic: message.topic, queueID: message.queueID, offset: place.queueOffset)
        let inLog = atLogOffset.updateValue(id, forKey: place.logOffset)
        let inQueue = atQueuePlace.updateValue(id, forKey: queuePlace)
        if let inLog, inLog != id, let other = sent[inLog], other.isPromised, other.place?.logOffset == place.logOffset
        {
            return "message \(id) was given the place \(place.logOffset) of message \(inLog)"
        }
        if let inQueue, inQueue != id, let other = sent[inQueue], other.isPromised,
            other.place?.queueOffset == place.queueOffset
        {
            return "message \(id), at \(place.logOffset), was given the number \(place.queueOffset) of "
                + "\(message.topic)/\(message.queueID), which message \(inQueue) has, at \(other.place?.logOffset ?? -1)"
        }
        return nil
    }

    /// The power failed: what no sync covered may be gone, and of the rest a part.
    mutating func powerFailed() {
        holesFrom = min(holesFrom, syncedEnd)
        for (id, message) in sent where message.state == .written { sent[id]?.state = .released }
    }

    /// The process is gone, and with it the answers that did not come. One whose disk gave errors may not have come to
    /// erase all of what it could not finish.
    mutating func processEnded(afterErrors: Bool) {
        pending = []
        if afterErrors { holesFrom = min(holesFrom, syncedEnd) }
    }

    /// A topic's deletion begins while the log ends at `logEnd`: from here on neither presence nor absence says anything.
    mutating func beginDeletion(of topic: String, logEnd: Int64) {
        for (id, message) in sent where message.topic == topic { sent[id]?.state = .released }
        attempts[topic] = logEnd
    }

    /// The deletion was answered.
    mutating func deletionDone(of topic: String) { deletions[topic] = attempts[topic] }

    /// Messages of records whose bytes the test damages.
    mutating func damage(at logOffset: Int64) {
        damaged.insert(logOffset)
        for (id, message) in sent where message.place?.logOffset == logOffset { sent[id]?.state = .released }
    }

    /// The test makes a sector of the log unreadable.
    mutating func ruin(_ sector: Range<Int64>) {
        unreadable.insert(sector)
        damaged.insert(sector.lowerBound)
        for message in sent.values {
            guard let place = message.place?.logOffset, (place..<place + message.bytes).overlaps(sector) else {
                continue
            }
            damage(at: place)
        }
    }

    /// Whether the test made all of a place unreadable.
    func hasRuined(_ place: Range<Int64>) -> Bool {
        unreadable.reduce(0) { $0 + $1.clamped(to: place).count } == place.count
    }

    /// Whether a record at an offset may be damaged: by the test, or with a sector that it reaches into.
    func isDamaged(_ logOffset: Int64) -> Bool {
        damaged.contains(logOffset)
            || unreadable.contains { $0.lowerBound < logOffset + Self.largestRecord && logOffset < $0.upperBound }
    }

    /// The bytes that a record has at most.
    private static let largestRecord: Int64 = 2600

    /// A start found the log to end here: what it lost was not deleted; its places are given anew.
    mutating func logEnds(at end: Int64) {
        deletions = deletions.mapValues { min($0, end) }
        attempts = attempts.mapValues { min($0, end) }
        syncedEnd = min(syncedEnd, end)
    }

    /// What a start found stays from now on, until the power fails again before a sync; what it did not find is gone.
    mutating func found(_ records: [Int: StoredRecord], inLog: Set<Int>, start: Int) -> String? {
        var objection: String?
        for id in ids {
            guard var message = sent[id] else { continue }
            if let record = records[id] {
                guard message.state == .unknown || message.state == .released,
                    record.logOffset >= attempts[message.topic] ?? 0, !damaged.contains(record.logOffset)
                else { continue }
                if message.state == .unknown { met.insert(SimulationEvent.keptUnanswered.rawValue) }
                message.state = .written
                message.place = (record.logOffset, record.queueOffset)
                message.bytes = Int64(record.totalSize)
                objection = occupy(id, message) ?? objection
            } else {
                if message.state == .unknown {
                    met.insert(SimulationEvent.lostUnanswered.rawValue)
                    message.state = .released
                }
                if message.goneSince == nil, !inLog.contains(id), !mayComeBack(message) {
                    message.goneSince = start
                    if message.place != nil { met.insert(SimulationEvent.lostUnsynced.rawValue) }
                }
            }
            sent[id] = message
        }
        return objection
    }

    /// Whether it is not seen for a reason that may end: its place is damaged, or what removed it is not durable yet.
    private func mayComeBack(_ message: Sent) -> Bool {
        guard let place = message.place else { return attempts[message.topic] != nil }
        return damaged.contains(place.logOffset) || isExempt(place.logOffset, message.topic)
    }

    /// Whether a record here may come and go: its segment was removed, or its topic deleted.
    func isExempt(_ logOffset: Int64, _ topic: String) -> Bool {
        logOffset < removed || logOffset < attempts[topic] ?? 0
    }
}
