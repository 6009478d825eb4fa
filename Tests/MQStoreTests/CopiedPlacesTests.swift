import MQWire
import NIOCore
import SystemPackage
import Testing

@testable import MQStore

/// What a record of a master says of its queue may be rotten: no sum covers it.
@Suite struct CopiedPlacesTests {
    private let clock = SimulatedClock()
    private let key = QueueKey(topic: "t", queueID: 0)

    private func open(_ seed: UInt64) throws -> SteppedStore { try open(on: SimulatedDisk(seed: seed)) }

    private func open(on disk: SimulatedDisk) throws -> SteppedStore {
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = 1 << 16
        configuration.entriesPerQueueFile = 1000
        return try SteppedStore(configuration, on: disk, clock: clock)
    }

    private func send(_ count: Int, to master: SteppedStore, queueID: Int32 = 0, body: String = "m") {
        for _ in 0..<count {
            _ = master.append([message("t", queueID, body: body)])
            master.write()
        }
    }

    /// Copies what the slave lacks; what is changed in a record is changed on its way.
    private func copy(
        from master: SteppedStore, to slave: SteppedStore,
        change: (_ index: Int, _ record: inout ByteBuffer) -> Void = { _, _ in }
    ) throws {
        var reader = LogReader(master.store.log.source, position: slave.store.maximumLogOffset)
        var index = 0
        while case .record(let record) = try reader.next() {
            var bytes = ByteBuffer()
            try master.store.log.read(at: record.logOffset, count: Int(record.totalSize), into: &bytes)
            change(index, &bytes)
            slave.store.appendReplica(bytes, at: slave.store.maximumLogOffset) { result in
                if case .failure(let error) = result { Issue.record(error) }
            }
            slave.write()
            index += 1
        }
        #expect(slave.store.maximumLogOffset == master.store.maximumLogOffset)
    }

    /// A number with one bit turned around, before and behind the next, and that of a damaged record.
    @Test(arguments: [(100, 36), (100, 228), (64, 0), (100, 101), (100, 4)] as [(Int, Int64)], [false, true])
    func aRottenNumberMovesNoQueue(_ place: (next: Int, rotten: Int64), isDamaged: Bool) throws {
        let (master, slave) = (try open(1), try open(2))
        send(place.next + 5, to: master)
        try copy(from: master, to: slave) { index, record in
            guard index == place.next else { return }
            record.setInteger(place.rotten, at: RecordLayout.queueOffsetOffset)
            // The end of the body, before the topic and two bytes of lengths.
            if isDamaged, let body = record.readableBytesView.lastIndex(of: UInt8(ascii: "m")) {
                record.setInteger(UInt8(ascii: "n"), at: body)
            }
        }
        let theirs = try master.store.entries(of: key, from: 0, count: 1000)
        let own = try slave.store.entries(of: key, from: 0, count: 1000)
        #expect(own.count == place.next + 5)
        for (index, entry) in own.enumerated() where entry != theirs[index] {
            // The place that lost its record, and for a number just behind the next also that of the one whose it is.
            #expect(entry.isBlank || place.rotten == Int64(place.next) + 1)
            #expect(index == place.next || (place.rotten == Int64(place.next) + 1 && index == place.next + 1))
        }
    }

    /// A master that knows places for lost goes on behind them: so does the slave, and keeps what it had.
    @Test func aMasterMayLeaveOutPlaces() throws {
        let (master, slave) = (try open(1), try open(2))
        // Long ones: all before a number must have had their room in the log.
        send(102, to: master, body: String(repeating: "m", count: 40))
        try copy(from: master, to: slave) { index, record in
            if index >= 100 { record.setInteger(Int64(index + 5), at: RecordLayout.queueOffsetOffset) }
        }
        let own = try slave.store.entries(of: key, from: 0, count: 1000)
        #expect(own.map(\.isBlank) == (0..<107).map { (100..<105).contains($0) })
    }

    /// A topic that was made anew where one flipped bit would say the same: its second message is believed, in one queue.
    @Test func aTopicMadeAnewBeginsWithItsSecondMessage() throws {
        let (master, slave) = (try open(1), try open(2))
        send(64, to: master)
        send(32, to: master, queueID: 1)
        try copy(from: master, to: slave)
        master.store.deleteTopic("t") { _ in }
        master.write()
        send(1, to: master, queueID: 1, body: "new")
        send(1, to: master, body: "new")
        send(2, to: master, queueID: 2, body: "new")
        try copy(from: master, to: slave)
        #expect(slave.store.maximumOffset(of: key) == 64)
        send(1, to: master, body: "new")
        try copy(from: master, to: slave)
        for queueID in Int32(0)...2 {
            let theirs = try master.store.bodies("t", queueID)
            #expect(try slave.store.bodies("t", queueID) == theirs && !theirs.isEmpty)
        }
        // So it is where no single bit says it: at once.
        send(1, to: master, body: "new")
        master.store.deleteTopic("t") { _ in }
        master.write()
        send(1, to: master, body: "newer")
        try copy(from: master, to: slave)
        #expect(try slave.store.bodies("t") == ["newer"])
        #expect(slave.store.maximumOffset(of: QueueKey(topic: "t", queueID: 1)) == 0)
    }

    /// A topic that was made anew after a single message, and none: a 1 that is next comes behind a doubted 0.
    @Test func aTopicMadeAnewAfterOneMessage() throws {
        let (master, slave) = (try open(1), try open(2))
        send(1, to: master)
        try copy(from: master, to: slave)
        master.store.deleteTopic("t") { _ in }
        master.write()
        send(2, to: master, body: "new")
        try copy(from: master, to: slave)
        #expect(try slave.store.bodies("t") == ["new", "new"])
    }

    /// Where the log leaves it open whether a topic was made anew, the master's word decides at once, also after a start.
    @Test(arguments: [false, true]) func aMasterSaysThatATopicWasMadeAnew(restarts: Bool) throws {
        let disk = SimulatedDisk(seed: 2)
        let master = try open(1)
        var slave = try open(on: disk)
        send(64, to: master)
        send(3, to: master, queueID: 1)
        try copy(from: master, to: slave)
        master.store.deleteTopic("t") { _ in }
        master.write()
        send(1, to: master, body: "new")
        try copy(from: master, to: slave)
        if restarts {
            disk.kill()
            slave = try open(on: disk)
        }
        #expect(slave.store.doubtedBeginnings == [key: 64])
        #expect(master.store.maximumOffset(of: key) <= 64)
        for _ in 0..<2 {
            slave.store.believeDoubts(of: "t") { #expect($0 == nil) }
            slave.write()
            #expect(try slave.store.bodies("t") == ["new"])
            #expect(slave.store.maximumOffset(of: QueueKey(topic: "t", queueID: 1)) == 0)
            #expect(slave.store.doubtedBeginnings.isEmpty)
        }
        // So it stays.
        disk.kill()
        slave = try open(on: disk)
        #expect(try slave.store.bodies("t") == ["new"] && slave.store.doubtedBeginnings.isEmpty)
        send(2, to: master, body: "newer")
        try copy(from: master, to: slave)
        #expect(try slave.store.bodies("t") == ["new", "newer", "newer"])
    }

    /// The master's table lacked a topic that was made anew before the slave came to delete it: what came since is kept.
    @Test(arguments: [2, 3]) func aDeletionTakesNothingThatCameLater(before: Int) throws {
        let (master, slave) = (try open(1), try open(2))
        send(before, to: master)
        try copy(from: master, to: slave)
        let end = slave.store.maximumLogOffset
        master.store.deleteTopic("t") { _ in }
        master.write()
        send(1, to: master, body: "new")
        send(1, to: master, queueID: 1, body: "new")
        try copy(from: master, to: slave)
        slave.store.deleteTopic("t", before: end) { #expect($0 == nil) }
        slave.write()
        for queueID in Int32(0)...1 { #expect(try slave.store.bodies("t", queueID) == ["new"]) }
        // And one that comes when all is over takes all.
        slave.store.deleteTopic("t", before: slave.store.maximumLogOffset) { #expect($0 == nil) }
        slave.write()
        #expect(slave.store.maximumOffset(of: key) == 0)
    }

    /// A queue whose beginning the master's log no longer has begins where its first record says.
    @Test func aQueueMayBeginAnywhere() {
        var places = CopiedPlaces()
        let entry = QueueEntry(logOffset: 100, size: 100, tagCode: 0)
        #expect(places.judge(key, at: 57, entry: entry, next: 0, isUnknown: true) == .beginsQueue)
        #expect(places.judge(key, at: 58, entry: entry, next: 58, isUnknown: false) == .next)
        #expect(places.judge(key, at: 60, entry: entry, next: 59, isUnknown: false) == .doubted)
        let behind = QueueEntry(logOffset: 200, size: 100, tagCode: 0)
        let doubt = CopiedPlaces.Doubt(key: key, queueOffset: 60, entry: entry)
        #expect(places.judge(key, at: 61, entry: behind, next: 59, isUnknown: false) == .confirms(doubt))
    }
}
