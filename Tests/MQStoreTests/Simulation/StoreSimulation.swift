import MQWire
import NIOCore
import Synchronization
import SystemPackage

@testable import MQStore

/// One seeded life of a store: lives of its process one after another, each ended by a stop, a kill or a power cut.
///
/// After every start these must hold:
///
/// 1. What a sync covered is there, byte for byte, in its place; after a kill all that was acknowledged is.
/// 2. Nothing is there that was not sent, nothing twice, and nothing that was answered with an error.
/// 3. Queues and log agree: every sound record is in its queue at its place, every entry leads to its record.
/// 4. Each message that is served is found by its key, once and at its place, and nothing else is.
/// 5. The store takes messages again.
struct StoreSimulation {
    /// What is done besides the ordinary.
    struct Options: Sendable {
        var writeErrors = true
        var bitFlips = true
        var sabotage: (@Sendable (String) -> Bool)?
        /// Whether each step is printed.
        var isTraced = false
    }

    /// A promise that was not kept.
    struct Violation: Error, CustomStringConvertible {
        var description: String
    }

    /// A message that was handed to the store.
    private struct Sent {
        var topic: String
        var queueID: Int32
        var answer: SteppedStore.Answer
        var index: Int
        var draft: RecordDraft
        /// Where it is said to be.
        var place: (logOffset: Int64, queueOffset: Int64)?
        var bytes: Int64 = 0
        var state = Promise.unknown
        var isWhole: Bool
        /// A torn sector may have taken its born time, over which the format has no sum: nothing was promised.
        var mayBeTorn: Bool { state == .unknown || state == .released }
    }

    private enum Promise {
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

    let seed: UInt64
    private let options: Options
    private let disk: SimulatedDisk
    private let clock = SimulatedClock()
    private var random: SeededRandom
    private var configuration: StoreConfiguration
    private var sent: [Int: Sent] = [:]
    private var pending: [Int] = []
    private var nextID = 1
    /// Where the log ended when a topic was deleted, and when its deletion was begun at least.
    private var deletions: [String: Int64] = [:]
    private var attempts: [String: Int64] = [:]
    /// What is before this offset may be gone because it was old.
    private var removed: Int64 = 0
    private var hasFailedSync = false
    /// Offsets at which the test damaged records.
    private var damaged: Set<Int64> = []
    private(set) var starts = 0

    private static let topics = ["a", "bb", "topic-c"]

    init(seed: UInt64, options: Options = Options()) {
        self.seed = seed
        self.options = options
        random = SeededRandom(seed: seed)
        disk = SimulatedDisk(seed: seed &+ 1)
        configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = [4096, 8192, 16384][random.below(3)]
        configuration.entriesPerQueueFile = Int64([8, 20, 64][random.below(3)])
        // Long chains, or a file of more than one sector.
        configuration.indexSlots = [3, 150][random.below(2)]
        configuration.indexEntries = [4, 9, 40][random.below(3)]
        configuration.flushPolicy = random.percent(70) ? .sync : .async
        configuration.syncFlushTimeoutMilliseconds = 100
        configuration.checksOnRead = true
        disk.change {
            $0.sabotage = options.sabotage
            $0.isTraced = options.isTraced
        }
    }

    /// Lives the life; gives the number of starts that were checked.
    mutating func run() throws {
        let lives = 3 + random.below(4)
        for life in 0..<lives {
            let store = try start()
            if let violation = try check(store, life: life) { throw violation }
            let isLast = life == lives - 1
            if isLast { break }
            if random.percent(50) { disk.stop(after: random.below(60)) }
            misbehave()
            for _ in 0..<(5 + random.below(40)) where !disk.isOff { step(store) }
            end(store)
        }
    }

    /// Opens the store; the machine may stop while it does, and then it is opened again.
    private mutating func start() throws -> SteppedStore {
        disk.change { state in
            state.writeErrorPercent = 0
            state.failingSyncs = 0
            state.blockLimit = nil
        }
        for _ in 0..<10 {
            if random.percent(20) { disk.stop(after: random.below(80)) }
            do {
                starts += 1
                trace("start \(starts)")
                let store = try SteppedStore(configuration, on: disk, clock: clock)
                trace("\(store.store.recovery)")
                disk.stop(after: nil)
                return store
            } catch {
                guard disk.isOff else { throw Violation(description: "start \(starts): \(error)") }
                if random.percent(50) { powerFails() } else { disk.kill() }
            }
        }
        disk.stop(after: nil)
        disk.kill()
        return try SteppedStore(configuration, on: disk, clock: clock)
    }

    private mutating func misbehave() {
        guard options.writeErrors else { return }
        let kind = random.below(10)
        trace("misbehaves: \(kind)")
        let chance = 2 + random.below(10)
        let room = random.below(20)
        disk.change { state in
            switch kind {
            case 0: state.writeErrorPercent = chance
            case 1: state.blockLimit = state.usedBlocks + room
            case 2: state.failingSyncs = 1
            default: break
            }
        }
    }

    private func trace(_ text: @autoclosure () -> String) {
        if options.isTraced { print("[\(seed)] \(disk.operations) \(clock.milliseconds % 1_000_000): \(text())") }
    }

    // MARK: Steps

    private mutating func step(_ store: SteppedStore) {
        switch random.below(100) {
        case ..<40: send(store)
        case ..<45:
            store.index()
            if random.percent(50) { store.commitIndex() }
            trace("indexed to \(store.store.indexEnd.logOffset)")
        case ..<65:
            trace("write")
            store.write()
            trace("written to \(store.store.maximumLogOffset)")
        case ..<80:
            store.flush()
            trace("flushed to \(store.store.flushedLogOffset)")
        case ..<86:
            store.writeCheckpoint()
            trace("checkpoint, safe \(store.isSafe)")
        case ..<89: store.prepareNextSegment()
        case ..<91: clock.advance(Int64(random.below(300)))
        case ..<93: store.answerOverdue()
        case ..<95: disk.change { $0.blockLimit = nil }
        case ..<96: delete(store)
        case ..<97: removeOld(store)
        default: look(store)
        }
        if random.percent(50) { clock.advance(1) }
        settle(store)
    }

    private mutating func send(_ store: SteppedStore) {
        let count = random.percent(80) ? 1 : 2 + random.below(4)
        let topic = Self.topics[random.below(Self.topics.count)]
        let queueID = Int32(random.below(2))
        let ids = Array(nextID..<nextID + count)
        nextID += count
        let drafts = ids.map { Self.draft($0, topic: topic, queueID: queueID) }
        let answer = store.append(drafts)
        for (index, id) in ids.enumerated() {
            trace("send \(id) to \(topic)/\(queueID)")
            sent[id] = Sent(
                topic: topic, queueID: queueID, answer: answer, index: index, draft: drafts[index],
                isWhole: count == 1)
        }
        pending += ids
    }

    private mutating func delete(_ store: SteppedStore) {
        store.write()
        settle(store)
        let topic = Self.topics[random.below(Self.topics.count)]
        trace("delete \(topic)")
        let outcome = Mutex<StoreError??>(nil)
        store.store.deleteTopic(topic) { error in outcome.withLock { $0 = .some(error) } }
        store.write()
        // From here on neither its presence nor its absence says anything.
        for id in sent.keys.sorted() where sent[id]?.topic == topic { sent[id]?.state = .released }
        attempts[topic] = store.store.maximumLogOffset
        if !disk.isOff, case .some(nil) = outcome.withLock({ $0 }) { deletions[topic] = store.store.maximumLogOffset }
    }

    /// The log's first segment goes, when all of it is synced.
    private mutating func removeOld(_ store: SteppedStore) {
        let end = store.store.minimumLogOffset + configuration.segmentBytes
        guard end < store.store.flushedLogOffset else { return }
        trace("remove what is before \(end)")
        removed = end
        store.store.housekeeper.removeBeginning(before: end)
    }

    /// Takes in the answers that came while the machine was on, and what is synced.
    private mutating func settle(_ store: SteppedStore) {
        guard !disk.isOff else { return }
        pending.removeAll { id in
            guard var message = sent[id], let result = message.answer.result else { return false }
            switch result {
            case .failure(let error):
                if error.code != .uncertain, message.state == .unknown, message.isWhole { message.state = .refused }
            case .success(let receipt):
                let offset = receipt.logOffsets[message.index]
                // Written anew, where a crash had cut off what the test damaged.
                damaged.remove(offset)
                message.place = (offset, receipt.queueOffset + Int64(message.index))
                message.bytes = Int64(message.draft.encodedSize)
                if message.state == .unknown {
                    if case .flushed = receipt.flush { message.state = .synced } else { message.state = .written }
                }
            }
            sent[id] = message
            return true
        }
        let flushed = store.store.flushedLogOffset
        for id in sent.keys {
            guard let message = sent[id], message.state == .written, let place = message.place,
                place.logOffset + message.bytes <= flushed
            else { continue }
            sent[id]?.state = .synced
        }
    }

    /// Reads at random: whatever is served is what was sent.
    private mutating func look(_ store: SteppedStore) {
        let key = QueueKey(topic: Self.topics[random.below(Self.topics.count)], queueID: Int32(random.below(2)))
        let maximum = store.store.maximumOffset(of: key)
        guard maximum > 0, !disk.isOff else { return }
        _ = try? store.store.read(QueueRequest(key: key, offset: Int64(random.below(Int(maximum))), maximumCount: 8))
    }

    // MARK: Ends

    private mutating func end(_ store: SteppedStore) {
        settle(store)
        if !disk.isOff, random.percent(15) {
            trace("close")
            store.close()
            settle(store)
            if disk.isOff { disk.kill() }
        } else if random.percent(60) {
            powerFails()
        } else {
            disk.kill()
            trace("kill")
        }
        pending = []
        if options.bitFlips, random.percent(15) { rot() }
    }

    private mutating func powerFails() {
        disk.cutPower()
        trace("power fails")
        for id in sent.keys where sent[id]?.state == .written { sent[id]?.state = .released }
    }

    /// Damages a record that is in the middle of the log: a bit of its body, or of what makes it a record.
    private mutating func rot() {
        let placed = sent.filter { $0.value.place != nil && $0.value.state != .released }.keys.sorted()
        guard placed.count > 3, let place = sent[placed[random.below(placed.count)]]?.place else { return }
        let segment = place.logOffset / configuration.segmentBytes * configuration.segmentBytes
        let path = configuration.commitLogDirectory.appending(Segment.name(segment))
        // Any byte of its header, or one of the body's first.
        let within = random.below(100)
        trace("byte \(within) of the record at \(place.logOffset) flips")
        disk.flip(path, at: Int(place.logOffset - segment) + within, bits: UInt8(1 << random.below(8)))
        damaged.insert(place.logOffset)
        for id in placed where sent[id]?.place?.logOffset == place.logOffset { sent[id]?.state = .released }
    }

    // MARK: Messages

    /// The message of a number; all of it follows from the number.
    static func draft(_ id: Int, topic: String, queueID: Int32) -> RecordDraft {
        var random = SeededRandom(seed: UInt64(id))
        let padding = random.percent(80) ? random.below(200) : random.below(1500)
        var body = ByteBuffer(string: "\(id):")
        body.writeRepeatingByte(UInt8(truncatingIfNeeded: random.next()), count: padding)
        body.writeInteger(random.next())
        var properties = "UNIQ_KEY\u{1}U\(id)\u{2}"
        if random.percent(20) { properties += "P\u{1}" + String(repeating: "p", count: random.below(600)) + "\u{2}" }
        return RecordDraft(
            topic: topic, queueID: queueID, bornTimestamp: Int64(id), bornHost: .loopback, storeHost: .loopback,
            body: body, properties: ByteBuffer(string: properties))
    }

    private static func id(of record: StoredRecord) -> Int? {
        String(buffer: record.body).split(separator: ":", maxSplits: 1).first.flatMap { Int($0) }
    }

    // MARK: Checks

    private mutating func check(_ stepped: SteppedStore, life: Int) throws -> Violation? {
        let store = stepped.store
        // What the log lost was not deleted; its places are given anew.
        deletions = deletions.mapValues { min($0, store.recovery.logEnd) }
        attempts = attempts.mapValues { min($0, store.recovery.logEnd) }
        var found: [Int: StoredRecord] = [:]
        for key in store.queueKeys.sorted(by: { ($0.topic, $0.queueID) < ($1.topic, $1.queueID) }) {
            var next = store.minimumOffset(of: key)
            let end = store.maximumOffset(of: key)
            while next < end {
                let reading = try store.read(QueueRequest(key: key, offset: next, maximumCount: 64))
                guard reading.nextOffset > next else {
                    return violation(life, "\(key): a reader stands still at \(next): \(reading.status)")
                }
                guard let records = StoredRecord.readAll(reading.body), records.count == reading.count else {
                    return violation(life, "\(key)@\(next): what is served are no sound records")
                }
                for record in records {
                    if let violation = admit(record, from: key, &found, life) { return violation }
                }
                next = reading.nextOffset
            }
        }
        for id in sent.keys.sorted() {
            if let violation = missing(id, found, store, life) { return violation }
        }
        if let violation = try agreement(store, found, life) { return violation }
        if let violation = try keys(stepped, found, life) { return violation }
        // What was found stays from now on, until the power fails again before a sync.
        for id in found.keys where sent[id]?.state == .unknown || sent[id]?.state == .released {
            guard let message = sent[id], let record = found[id],
                record.logOffset >= attempts[message.topic] ?? 0, !damaged.contains(record.logOffset)
            else { continue }
            sent[id]?.state = .written
            sent[id]?.place = (record.logOffset, record.queueOffset)
            sent[id]?.bytes = Int64(record.totalSize)
        }
        for id in sent.keys where sent[id]?.state == .unknown { sent[id]?.state = .released }
        return nil
    }

    private func violation(_ life: Int, _ text: String) -> Violation {
        Violation(description: "seed \(seed), life \(life): \(text)")
    }

    /// 2: a record that is served was sent, once, and is what was sent.
    private func admit(
        _ record: StoredRecord, from key: QueueKey, _ found: inout [Int: StoredRecord], _ life: Int
    ) -> Violation? {
        // What the test has damaged may say anything of itself that no sum covers; what matters is everybody else.
        if damaged.contains(record.logOffset) { return nil }
        guard let id = Self.id(of: record), let message = sent[id] else {
            return violation(life, "\(key)@\(record.queueOffset): a message that nobody sent")
        }
        let draft = message.draft
        guard record.topic == draft.topic, record.queueID == draft.queueID, record.body == draft.body,
            record.encodedProperties == draft.properties,
            record.bornTimestamp == draft.bornTimestamp || message.mayBeTorn, record.topic == key.topic,
            record.queueID == key.queueID
        else { return violation(life, "\(key)@\(record.queueOffset): message \(id) is not what was sent: \(record)") }
        if let other = found[id] {
            return violation(life, "message \(id) is there twice, at \(other.logOffset) and \(record.logOffset)")
        }
        if message.state == .refused {
            return violation(life, "message \(id) was answered with an error and is there, at \(record.logOffset)")
        }
        if let deleted = deletions[message.topic], record.logOffset < deleted {
            return violation(life, "message \(id) of a deleted topic is back")
        }
        found[id] = record
        return nil
    }

    /// 1: what was promised is there, where it was said to be.
    private func missing(
        _ id: Int, _ found: [Int: StoredRecord], _ store: MessageStore, _ life: Int
    ) -> Violation? {
        guard let message = sent[id], message.state == .synced || message.state == .written, let place = message.place,
            place.logOffset >= removed
        else { return nil }
        guard let record = found[id] else {
            let key = QueueKey(topic: message.topic, queueID: message.queueID)
            trace("\(key) has \(store.minimumOffset(of: key)) to \(store.maximumOffset(of: key))")
            trace("\((try? store.entries(of: key, from: store.minimumOffset(of: key), count: 20)) ?? [])")
            return violation(
                life,
                "message \(id) of \(message.topic)/\(message.queueID)@\(place.queueOffset) (\(message.state)) at "
                    + "\(place.logOffset) is lost; \(store.recovery)")
        }
        guard record.logOffset == place.logOffset, record.queueOffset == place.queueOffset else {
            return violation(life, "message \(id) moved from \(place) to \(record.logOffset), \(record.queueOffset)")
        }
        return nil
    }

    /// 4: the index leads to each message, and to it alone.
    private mutating func keys(_ stepped: SteppedStore, _ found: [Int: StoredRecord], _ life: Int) throws -> Violation?
    {
        let store = stepped.store
        stepped.indexAll()
        if random.percent(50) {
            // A full file waits for the log's sync.
            stepped.flush()
            stepped.indexAll()
        }
        let isFlushed = store.flushedLogOffset == store.maximumLogOffset
        for id in sent.keys.sorted() {
            guard let message = sent[id] else { continue }
            let places = try store.records(
                topic: message.topic, key: "U\(id)", within: 0...Int64.max, limit: 64, maximumBytes: 1 << 20
            ).map(\.logOffset)
            guard let record = found[id] else {
                // One of a deleted topic, or of a damaged place in a queue, may still be in the log.
                if places.count > 1 { return violation(life, "the key of message \(id) leads to \(places)") }
                continue
            }
            let mayBeAbsent = record.logOffset < removed || !isFlushed && record.logOffset > store.indexEnd.logOffset
            if places.isEmpty, mayBeAbsent { continue }
            guard places == [record.logOffset] else {
                return violation(
                    life,
                    "the key of message \(id), at \(record.logOffset), leads to \(places); "
                        + "\(store.index?.all.map(\.header) ?? [])")
            }
        }
        return nil
    }

    /// Whether a record's place in its queue is an earlier one's: the sector with the rest of its header was torn, and the
    /// format has no sum over headers. Nobody was promised it, or (1) would miss it.
    private func hasLostItsPlace(_ record: StoredRecord, among found: [Int: StoredRecord]) -> Bool {
        found.values.contains {
            $0.topic == record.topic && $0.queueID == record.queueID && $0.queueOffset == record.queueOffset
                && $0.logOffset < record.logOffset
        }
    }

    /// 3: every sound record of the log is in its queue.
    private func agreement(_ store: MessageStore, _ found: [Int: StoredRecord], _ life: Int) throws -> Violation? {
        var survey = LogSurvey(store.log.source, from: store.log.firstOffset, keepsTail: true)
        while true {
            switch try survey.next() {
            case .record(let record):
                guard let id = Self.id(of: record), let message = sent[id] else {
                    return violation(life, "the log holds at \(record.logOffset) what nobody sent")
                }
                if let deleted = attempts[message.topic], record.logOffset < deleted { continue }
                if damaged.contains(record.logOffset) { continue }
                // A crash may come between the removal of entries and that of their segment.
                if record.logOffset < removed { continue }
                if found[id] == nil, hasLostItsPlace(record, among: found) { continue }
                guard found[id]?.logOffset == record.logOffset else {
                    return violation(
                        life,
                        "message \(id) of \(record.topic)/\(record.queueID)@\(record.queueOffset) is in the log "
                            + "at \(record.logOffset) and not in its queue; \(store.recovery)")
                }
            case .damage(let range, _):
                // Reordered writes leave holes too; those were never promised, and (1) has looked at the others.
                if range.isEmpty { return violation(life, "an empty place is called damaged") }
            case .end(let end, _):
                if end > store.maximumLogOffset {
                    return violation(life, "the log goes on to \(end) behind its end \(store.maximumLogOffset)")
                }
                return nil
            }
        }
    }
}
