import Logging
import MQStore
import MQTransport
import MQWire
import Synchronization

/// Delivers delayed messages: each level is a queue of the schedule topic, in the order in which they are due.
///
/// The queue's entries carry the due time, so that a level is looked at only when its first message is due. A message
/// is stored anew for its real topic before the level's offset moves on: a crash delivers twice, never not at all.
///
/// A level with more due than one delivery takes is looked at again as soon as that is stored; one that is empty or early
/// waits for the next tick. So the store's pace is the level's.
final class DelaySchedule: Sendable {
    private let context: BrokerContext
    private let levels: Mutex<[Level]>
    private let saved: Mutex<[Int64]>
    private let isStopped = Atomic(false)

    /// One delay level.
    private struct Level: Sendable {
        /// The first message not yet delivered.
        var offset: Int64
        /// When to look at it; 0 = at the next tick.
        var due: Int64 = 0
        /// Whether a message is being stored at this moment.
        var isBusy = false
    }

    /// The pause after a delivery that could not be stored, in milliseconds.
    private static let retryMilliseconds: Int64 = 1000
    /// The messages delivered with one look at a level, at most.
    private static let batch = 512
    /// Their bytes, at most; one message goes even when it is larger.
    private static let batchBytes: Int64 = 1 << 20

    init(context: BrokerContext) throws {
        self.context = context
        let offsets = try context.tables.delays.load(context.logger) { Self.offsets(of: $0) } ?? Self.offsets(of: nil)
        levels = Mutex(offsets.map { Level(offset: $0) })
        saved = Mutex(offsets)
    }

    private static func offsets(of json: JSONValue?) -> [Int64] {
        var offsets = [Int64](repeating: 0, count: DelayLevels.standard.count)
        for member in json?["offsetTable"]?.objectValue ?? [] {
            guard let level = Int(member.key), (1...offsets.count).contains(level),
                let offset = member.value.integerValue
            else { continue }
            offsets[level - 1] = offset
        }
        return offsets
    }

    /// Takes over a master's table; on a slave alone, where nothing is delivered.
    func replace(with json: JSONValue) {
        let offsets = Self.offsets(of: json)
        levels.withLock { $0 = offsets.map { Level(offset: $0) } }
    }

    /// The next message of each level, the first level first.
    var offsets: [Int64] { levels.withLock { $0.map(\.offset) } }

    /// The table that is saved: `{"offsetTable":{level:offset}}`, levels from 1, those in use only.
    var json: JSONValue {
        let members = offsets.enumerated().filter { $0.element > 0 }.map {
            JSONMember(String($0.offset + 1), .integer($0.element))
        }
        return ["offsetTable": .object(members)]
    }

    /// Saves the offsets now, if any moved since the last time.
    func save() {
        let offsets = offsets
        guard saved.withLock({ $0 != offsets }) else { return }
        if context.tables.delays.save({ json }, logger: context.logger) { saved.withLock { $0 = offsets } }
    }

    /// Begins no more deliveries, because the broker stops.
    func stop() { isStopped.store(true, ordering: .releasing) }

    /// Delivers what is due. Runs on a disk thread.
    func deliverDue() {
        guard !isStopped.load(ordering: .acquiring) else { return }
        let now = context.now()
        let candidates = levels.withLock { levels in
            let indices = levels.indices.filter { !levels[$0].isBusy && levels[$0].due <= now }
            for index in indices { levels[index].isBusy = true }
            return indices.map { ($0, levels[$0].offset) }
        }
        for (index, offset) in candidates {
            let key = QueueKey(topic: DelayLevels.topic, queueID: Int32(index))
            guard context.store.maximumOffset(of: key) > offset else {
                release(index, offset: offset, due: 0)
                continue
            }
            deliver(level: index, key: key, from: offset, now: now)
        }
    }

    private func deliver(level: Int, key: QueueKey, from known: Int64, now: Int64) {
        // The beginning may have been too old, and be gone.
        let offset = max(known, context.store.minimumOffset(of: key))
        do throws(StoreError) {
            let entries = try context.store.entries(of: key, from: offset, count: Self.batch)
            var bytes: Int64 = 0
            let due = entries.prefix { entry in
                defer { bytes += Int64(entry.size) }
                return entry.tagCode <= now && bytes < Self.batchBytes
            }
            let mayHaveMore = due.count == Self.batch || bytes >= Self.batchBytes
            guard !due.isEmpty else { return release(level, offset: offset, due: entries.first?.tagCode ?? 0) }
            var drafts: [RecordDraft] = []
            for (index, entry) in due.enumerated() {
                guard let record = try context.store.record(of: entry, in: key, at: offset + Int64(index)),
                    var draft = MessageIntake.liftDelay(record.draft()), draft.storeObjection == nil
                else {
                    context.logger.error(
                        "a delayed message cannot be delivered", metadata: ["logOffset": "\(entry.logOffset)"])
                    continue
                }
                draft.storeHost = context.storeHost.withLock { $0 }
                drafts.append(draft)
            }
            let next = offset + Int64(due.count)
            guard !drafts.isEmpty else {
                release(level, offset: next, due: 0)
                return mayHaveMore ? deliverSoon() : ()
            }
            context.append(drafts) { [self] outcome in
                switch outcome {
                case .stored:
                    release(level, offset: next, due: 0)
                    // On a disk thread, behind what waits for one: this is the log's writer, or its flusher.
                    if mayHaveMore { deliverSoon() }
                // Not known to be on the disk: better twice than not at all.
                case .unconfirmed, .refused: release(level, offset: offset, due: now + Self.retryMilliseconds)
                }
            }
        } catch {
            context.logger.error("a delay level cannot be read", metadata: ["error": "\(error)"])
            release(level, offset: offset, due: now + Self.retryMilliseconds)
        }
    }

    private func deliverSoon() {
        context.lanes.chores.perform { [self] turn in if turn == .work { deliverDue() } }
    }

    private func release(_ level: Int, offset: Int64, due: Int64) {
        levels.withLock { $0[level] = Level(offset: offset, due: due) }
    }
}
