import MQWire
import NIOCore
import Synchronization
import SystemPackage
import Testing

@testable import MQStore

/// Seeded lives of a slave's store on a simulated disk: it copies a master's log, dies at any operation, comes back, and
/// copies on. After each start what it has is the master's, at the master's places, and its queues say the same.
///
/// In half of the lives topics are deleted and made anew, of which the slave is told now and then. In the others bits turn
/// around on the master's disk, in bodies and in the numbers that records say they have in their queues. At the end each
/// place of each queue is the master's, but for those of such records.
@Suite struct ReplicaSimulationTests {
    private struct Life {
        let seed: UInt64
        var random: SeededRandom
        let clock = SimulatedClock()
        let master: SteppedStore
        let mastersDisk: SimulatedDisk
        let disk: SimulatedDisk
        /// Whether bits turn around, and no topic is deleted.
        private var isRotten: Bool { seed % 2 == 0 }
        /// Where the records stand of which the master's disk turned a bit around.
        private(set) var rotten: Set<Int64> = []

        init(seed: UInt64) throws {
            self.seed = seed
            random = SeededRandom(seed: seed)
            mastersDisk = SimulatedDisk(seed: seed &+ 7)
            master = try SteppedStore(Self.configuration(), on: mastersDisk, clock: clock)
            disk = SimulatedDisk(seed: seed)
        }

        static func configuration() -> StoreConfiguration {
            var configuration = StoreConfiguration(root: "/disk/store")
            configuration.segmentBytes = 8192
            configuration.entriesPerQueueFile = 20
            configuration.indexSlots = 30
            configuration.indexEntries = 40
            configuration.checksOnRead = true
            return configuration
        }

        /// More of the master's log; now and then a topic is deleted, and made anew by the next message.
        mutating func send() {
            for _ in 0..<random.below(12) {
                let topic = ["a", "bb"][random.below(2)]
                if random.percent(3), !isRotten {
                    master.store.deleteTopic(topic) { _ in }
                    master.write()
                }
                let body = String(repeating: "x", count: random.below(900))
                let answer = master.append([message(topic, Int32(random.below(2)), body: body)])
                master.write()
                if isRotten, random.percent(6), case .success(let receipt) = answer.result {
                    rot(receipt.logOffsets[0], body)
                }
                clock.advance(Int64(random.below(3)))
            }
        }

        private mutating func rot(_ logOffset: Int64, _ body: String) {
            let segment = logOffset / Self.configuration().segmentBytes * Self.configuration().segmentBytes
            let path = Self.configuration().commitLogDirectory.appending(Segment.name(segment))
            let isInBody = random.percent(40) && !body.isEmpty
            let within = isInBody ? RecordLayout.minimumSize - 3 : RecordLayout.queueOffsetOffset + random.below(8)
            mastersDisk.flip(path, at: Int(logOffset - segment) + within, bits: UInt8(1 << random.below(8)))
            rotten.insert(logOffset)
        }

        /// The master's records from an offset on, some of them, as a slave's link gives them on.
        mutating func piece(from offset: Int64) throws -> ByteBuffer {
            var reader = LogReader(master.store.log.source, position: offset)
            var piece = ByteBuffer()
            for _ in 0..<(1 + random.below(6)) {
                let start = reader.position
                switch try reader.next() {
                case .record(let record), .damaged(let record):
                    var bytes = ByteBuffer()
                    try master.store.log.read(at: start, count: Int(record.totalSize), into: &bytes)
                    piece.writeBuffer(&bytes)
                case .nextSegment(let next):
                    piece.writeMultipleIntegers(Int32(next - start), RecordLayout.blankMagic)
                    return piece
                case .unwritten, .torn: return piece
                }
            }
            return piece
        }

        mutating func run() throws -> String? {
            for _ in 0..<5 {
                send()
                let slave = try start()
                if let objection = try objection(to: slave) { return objection }
                if random.percent(60) { disk.stop(after: random.below(60)) }
                if random.percent(20) { disk.change { $0.blockLimit = $0.usedBlocks + 2 } }
                for _ in 0..<(3 + random.below(20)) where !disk.isOff {
                    if random.percent(30) { send() }
                    copy(try piece(from: slave.store.maximumLogOffset), to: slave)
                    if random.percent(30) { slave.flush() }
                    if random.percent(15) { slave.writeCheckpoint() }
                    if random.percent(20) { slave.index() }
                    if random.percent(10) { settle(slave) }
                    if random.percent(10) { disk.change { $0.blockLimit = nil } }
                }
                if !disk.isOff, random.percent(20) { slave.close() }
                if random.percent(50) { disk.cutPower() } else { disk.kill() }
                disk.change { $0.blockLimit = nil }
            }
            // Of a queue that was made anew the slave believes the second record: each gets two.
            for index in 0..<8 {
                _ = master.append([message(["a", "bb"][index % 2], Int32(index / 2 % 2), body: "last")])
                master.write()
            }
            let slave = try start()
            for _ in 0..<2000 where slave.store.maximumLogOffset < master.store.maximumLogOffset {
                copy(try piece(from: slave.store.maximumLogOffset), to: slave)
            }
            guard slave.store.maximumLogOffset == master.store.maximumLogOffset else { return "it never catches up" }
            settle(slave)
            return try objection(to: slave, isLast: true)
        }

        /// What a slave's broker does every ten seconds.
        private func settle(_ slave: SteppedStore) {
            let known = slave.store.deletedTopics
            for (topic, offset) in master.store.deletedTopics.sorted(by: { $0.key < $1.key })
            where known[topic] != offset && offset <= slave.store.maximumLogOffset {
                slave.store.deleteTopic(topic, before: offset) { _ in }
                slave.write()
            }
            for (key, end) in slave.store.doubtedBeginnings where master.store.maximumOffset(of: key) <= end {
                slave.store.believeDoubts(of: key.topic) { _ in }
                slave.write()
            }
        }

        private func copy(_ piece: ByteBuffer, to slave: SteppedStore) {
            guard piece.readableBytes > 0 else { return }
            slave.store.appendReplica(piece, at: slave.store.maximumLogOffset) { _ in }
            slave.write()
        }

        private mutating func start() throws -> SteppedStore {
            for _ in 0..<10 {
                if random.percent(20) { disk.stop(after: random.below(80)) }
                do {
                    let store = try SteppedStore(Self.configuration(), on: disk, clock: clock)
                    disk.stop(after: nil)
                    return store
                } catch  where disk.isOff {
                    if random.percent(50) { disk.cutPower() } else { disk.kill() }
                }
            }
            disk.stop(after: nil)
            disk.kill()
            return try SteppedStore(Self.configuration(), on: disk, clock: clock)
        }

        /// What of the slave's store is not the master's.
        private func objection(to slave: SteppedStore, isLast: Bool = false) throws -> String? {
            let (store, other) = (slave.store, master.store)
            guard store.maximumLogOffset <= other.maximumLogOffset else {
                return "it ends at \(store.maximumLogOffset), the master at \(other.maximumLogOffset)"
            }
            var survey = LogSurvey(store.log.source, from: store.log.firstOffset, past: .stopped)
            walking: while true {
                switch try survey.next() {
                case .record(let record):
                    var (own, theirs) = (ByteBuffer(), ByteBuffer())
                    try store.log.read(at: record.logOffset, count: Int(record.totalSize), into: &own)
                    try other.log.read(at: record.logOffset, count: Int(record.totalSize), into: &theirs)
                    // A torn sector may have taken what no sum covers; nothing else may differ.
                    if own != theirs, store.recovery.wasCleanStop { return "another record at \(record.logOffset)" }
                case .damage: break
                case .end: break walking
                }
            }
            for key in store.queueKeys {
                let range =
                    store.minimumOffset(
                        of: key)..<max(
                        store.minimumOffset(of: key), store.maximumOffset(of: key))
                for entry in try store.entries(of: key, from: range.lowerBound, count: range.count)
                where !entry.isBlank {
                    guard let record = try store.record(atLogOffset: entry.logOffset), record.topic == key.topic else {
                        return "\(key) leads to \(entry.logOffset), where no record of it stands"
                    }
                }
            }
            // What a power cut took of a header is in a place of its own; it comes from the master no more.
            guard isLast, rotten.isSuperset(of: store.recovery.damagedOffsets) else { return nil }
            for key in other.queueKeys {
                if let objection = try objection(to: key, of: slave) { return "\(key): \(objection)" }
            }
            return nil
        }

        /// What of a queue is not the master's, but for the places of records that went bad, and those right behind: the
        /// number of such a place may be that of the bad one.
        private func objection(to key: QueueKey, of slave: SteppedStore) throws -> String? {
            let (store, other) = (slave.store, master.store)
            let (start, end) = (other.minimumOffset(of: key), other.maximumOffset(of: key))
            guard store.maximumOffset(of: key) == end else {
                return "it ends at \(store.maximumOffset(of: key)), the master's at \(end)"
            }
            var isBehindRotten = false
            for (index, entry) in try other.entries(of: key, from: start, count: Int(end - start)).enumerated() {
                let place = start + Int64(index)
                let isExempt = isBehindRotten
                isBehindRotten = rotten.contains(entry.logOffset)
                if isExempt || isBehindRotten { continue }
                let own = try store.entries(of: key, from: place, count: 1).first
                // What a power cut took of the slave's own log is damaged there, and its place stays without a message.
                if own?.isBlank == true, try store.record(atLogOffset: entry.logOffset) == nil { continue }
                if own != entry {
                    return "place \(place) is \(own.map { "\($0)" } ?? "none"), the master's \(entry); it begins at "
                        + "\(store.minimumOffset(of: key)), the master's at \(start), of \(end)"
                }
            }
            return nil
        }
    }

    @Test func whatASlaveHasIsItsMasters() async {
        let objections = await onThread {
            (1...150 as ClosedRange<UInt64>).compactMap { seed -> String? in
                do {
                    var life = try Life(seed: seed)
                    return try life.run().map { "seed \(seed): \($0)" }
                } catch { return "seed \(seed): \(error)" }
            }
        }
        #expect(objections.isEmpty, "\(objections.count): \(objections.prefix(50).joined(separator: "\n"))")
    }
}
