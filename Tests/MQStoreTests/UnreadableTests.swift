import MQWire
import NIOCore
import Synchronization
import SystemPackage
import Testing

@testable import MQStore

/// Sectors that the disk cannot read, for good: each was once an error that ended a start, a reader or a scrub.
@Suite struct UnreadableTests {
    private let disk = SimulatedDisk(seed: 11)
    private let clock = SimulatedClock()
    private let key = QueueKey(topic: "t", queueID: 0)

    private var configuration: StoreConfiguration {
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = 65_536
        configuration.entriesPerQueueFile = 128
        configuration.indexSlots = 64
        configuration.indexEntries = 1024
        return configuration
    }

    private var segment: FilePath { configuration.commitLogDirectory.appending(Segment.name(0)) }

    private func open() throws -> SteppedStore { try SteppedStore(configuration, on: disk, clock: clock) }

    private func send(_ bodies: Range<Int>, bytes: Int = 300, to store: SteppedStore) {
        for index in bodies {
            _ = store.append([
                message(
                    "t", body: "m\(index)|" + String(repeating: "x", count: bytes), properties: ["KEYS": "k\(index)"])
            ])
            store.write()
        }
    }

    /// The numbers of the messages that a reader of the queue is served, and the damage that it is led past.
    private func served(_ store: SteppedStore, from offset: Int64 = 0) throws -> (messages: [Int], damaged: [Int64]) {
        var (messages, damaged, next) = ([Int](), [Int64](), offset)
        while next < store.store.maximumOffset(of: key) {
            let reading = try store.store.read(QueueRequest(key: key, offset: next, maximumCount: 32))
            messages += try #require(StoredRecord.readAll(reading.body)).compactMap { record in
                Int(String(buffer: record.body).dropFirst().prefix { $0 != "|" })
            }
            damaged += reading.damagedLogOffsets
            guard reading.nextOffset > next else { break }
            next = reading.nextOffset
        }
        return (messages, damaged)
    }

    private func place(of index: Int64, in store: SteppedStore) throws -> QueueEntry {
        try #require(try store.store.entries(of: key, from: index, count: 1).first)
    }

    /// The messages whose records reach into a sector.
    private func messages(in sector: Int64, of store: SteppedStore) throws -> [Int] {
        let range = sector * 512..<(sector + 1) * 512
        return try store.store.entries(of: key, from: 0, count: 1000).enumerated().filter { _, entry in
            (entry.logOffset..<entry.end).overlaps(range)
        }.map(\.offset)
    }

    private var unreadable: [Int] {
        disk.state.withLock { state in
            (state.names.files[segment.string].flatMap { state.inodes[$0]?.unreadable } ?? []).sorted()
        }
    }

    /// Sectors at all places of a file, alone and beside each other, and the short one at its end.
    @Test func whatCanBeReadIsRead() throws {
        let path = FilePath("/disk/file")
        _ = try disk.createDirectory("/disk")
        let file = try disk.open(path, .write)
        let bytes = (0..<9000).map { UInt8(truncatingIfNeeded: $0 &* 7 + 1) }
        try file.write(bytes, at: 0)
        try file.sync()
        for sector in [0, 3, 4, 9, 17] { #expect(disk.ruin(path, at: sector * 512 + 100)) }
        var target = [UInt8](repeating: 9, count: 20_000)
        let (count, places) = try target.withUnsafeMutableBytes { target in
            try file.readAround(into: target, at: 0)
        }
        #expect(count == 9000)
        #expect(places == [0..<512, 1536..<2560, 4608..<5120, 8704..<9000])
        for index in 0..<9000 {
            let isLost = places.contains { $0.contains(Int64(index)) }
            #expect(target[index] == (isLost ? 0 : bytes[index]), "\(index)")
        }
        #expect(throws: StoreError.self) { try file.write([1], at: 600 * 3) }
        #expect(throws: StoreError.self) { try file.resize(to: 4700) }
        try file.write([UInt8](repeating: 5, count: 512), at: 0)
        #expect(try file.bytes(at: 0, count: 600).readableBytes == 600)
    }

    /// Named, passed over and left as it is; all other messages are there, and the next start finds the same.
    @Test(arguments: [false, true]) func aStartPassesOverASectorOfTheLog(cleanly: Bool) throws {
        let store = try open()
        send(0..<60, to: store)
        store.flush()
        store.writeCheckpoint()
        let sector = try place(of: 30, in: store).logOffset / 512 + 1
        let hit = try messages(in: sector, of: store)
        store.close()
        if !cleanly { try disk.open(configuration.abortMarker, .write).sync() }
        #expect(disk.ruin(segment, at: Int(sector) * 512))
        // A queue that lost its files has all of the log walked.
        disk.lose(configuration.consumeQueueDirectory.appending("t"))
        for _ in 0..<2 {
            let again = try open()
            #expect(again.store.recovery.unreadablePlaces == [sector * 512..<(sector + 1) * 512])
            #expect(!again.store.recovery.damagedOffsets.isEmpty && again.store.recovery.tornReason == nil)
            #expect(try served(again).messages == (0..<60).filter { !hit.contains($0) } && !hit.isEmpty)
            #expect(unreadable == [Int(sector)])
            disk.kill()
            disk.lose(configuration.consumeQueueDirectory.appending("t"))
        }
    }

    /// Behind all that is known to be synced zeros would be a power cut's hole, and end the log; these are none.
    @Test func aSectorThatCannotBeReadIsNoPowerCutsHole() throws {
        let store = try open()
        send(0..<10, to: store)
        store.flush()
        store.writeCheckpoint()
        send(10..<11, bytes: 5000, to: store)
        send(11..<20, to: store)
        store.flush()
        let begin = try place(of: 10, in: store).logOffset
        disk.kill()
        #expect(disk.ruin(segment, at: Int(begin) + 2000))
        let again = try open()
        #expect(again.store.recovery.tornReason == nil && again.store.recovery.letGoRecords == 0)
        #expect(try served(again).messages == (0..<20).filter { $0 != 10 })
        #expect(unreadable == [(Int(begin) + 2000) / 512])
    }

    /// The sector took a filler's head, too: the zeros behind it were never meant to be written.
    @Test func aFillerMayBeginInASectorThatCannotBeRead() throws {
        let store = try open()
        send(0..<1, to: store)
        store.flush()
        store.writeCheckpoint()
        // The last record of the segment ends in a sector's middle, and more than a sector is left behind it.
        var count = 1
        while store.store.maximumLogOffset < 60_000 {
            send(count..<count + 1, to: store)
            count += 1
        }
        let end = store.store.maximumLogOffset
        #expect(end % 512 > 8 && end % 512 < 500)
        send(count..<count + 1, bytes: 6000, to: store)
        store.flush()
        disk.kill()
        #expect(disk.ruin(segment, at: Int(end)))
        let again = try open()
        #expect(again.store.recovery.tornReason == nil && again.store.recovery.letGoRecords == 0)
        #expect(try served(again).messages.last == count)
    }

    /// A part of such a sector cannot be written: the log goes on behind it.
    @Test(arguments: [false, true]) func aLogThatEndsInSuchASectorGoesOnBehindIt(cleanly: Bool) throws {
        let store = try open()
        send(0..<20, to: store)
        store.flush()
        store.writeCheckpoint()
        let end = store.store.maximumLogOffset
        let hit = try messages(in: (end - 1) / 512, of: store)
        if cleanly { store.close() } else { disk.kill() }
        #expect(end % 512 != 0 && disk.ruin(segment, at: Int(end - 1)))
        var again = try open()
        #expect(again.store.maximumLogOffset == (end / 512 + 1) * 512)
        send(20..<25, to: again)
        #expect(again.store.maximumOffset(of: key) == 25)
        again.flush()
        for _ in 0..<2 {
            #expect(try served(again).messages == (0..<25).filter { !hit.contains($0) })
            disk.kill()
            again = try open()
        }
    }

    /// At first the reader is told; what stays unreadable is lost, and whoever reads goes on behind it.
    @Test func aReaderIsLedPastItAfterAWhile() throws {
        let store = try open()
        send(0..<60, to: store)
        store.flush()
        let sector = try place(of: 30, in: store).logOffset / 512 + 1
        let hit = try messages(in: sector, of: store)
        let entry = try place(of: Int64(hit[0]), in: store)
        #expect(disk.ruin(segment, at: Int(sector) * 512))
        for _ in 0..<2 {
            #expect(throws: StoreError.self) { try served(store) }
            #expect(throws: StoreError.self) { try store.store.record(atLogOffset: entry.logOffset) }
            clock.advance(14_000)
        }
        clock.advance(2_001)
        let (messages, damaged) = try served(store)
        #expect(messages == (0..<60).filter { !hit.contains($0) })
        let lost = try hit.map { try place(of: Int64($0), in: store).logOffset }
        #expect(damaged == lost)
        #expect(try store.store.record(atLogOffset: entry.logOffset) == nil)
    }

    /// A disk that was away for a moment has all that it had.
    @Test func whatCanBeReadAgainIsServed() throws {
        let store = try open()
        send(0..<60, to: store)
        store.flush()
        #expect(disk.ruin(segment, at: 10_000))
        #expect(throws: StoreError.self) { try served(store) }
        disk.change { state in
            guard let number = state.names.files[segment.string] else { return }
            state.inodes[number]?.unreadable = []
        }
        clock.advance(60_000)
        let (messages, damaged) = try served(store)
        #expect(messages == Array(0..<60) && damaged.isEmpty)
        #expect(store.store.log.places.isEmpty)
    }

    /// A body in such a sector is never served as zeros, also where no sums are looked at.
    @Test func zerosAreNotServedForABody() throws {
        let store = try open()
        #expect(!configuration.checksOnRead)
        send(0..<3, bytes: 3000, to: store)
        store.flush()
        let entry = try place(of: 1, in: store)
        #expect(disk.ruin(segment, at: Int(entry.logOffset) + 1500))
        store.store.log.places.forget(0..<65_536)
        _ = try? served(store)
        clock.advance(30_001)
        #expect(try served(store).messages == [0, 2])
        #expect(try store.store.record(of: entry, in: key, at: 1) == nil)
    }

    /// The queue's first sector is read at each start, one in its middle only by its readers.
    @Test(arguments: [0, 1, 2, 4]) func aSectorOfAQueueIsMadeAnewFromTheLog(sector: Int) throws {
        let store = try open()
        send(0..<120, to: store)
        store.flush()
        let file = configuration.consumeQueueDirectory.appending("t").appending("0").appending(Segment.name(0))
        store.close()
        #expect(disk.ruin(file, at: sector * 512))
        for round in 0..<3 {
            let again = try open()
            let (messages, damaged) = try served(again)
            #expect(messages == Array(0..<120 + round) && damaged.isEmpty)
            send(120 + round..<121 + round, to: again)
            again.flush()
            if round == 1 { disk.kill() } else { again.close() }
        }
    }

    /// In an open store: no start comes by for months.
    @Test func aReaderIsServedWhatAQueueCannotTell() throws {
        let store = try open()
        send(0..<120, to: store)
        store.flush()
        store.writeCheckpoint()
        let file = configuration.consumeQueueDirectory.appending("t").appending("0").appending(Segment.name(0))
        for sector in [0, 2, 3] { #expect(disk.ruin(file, at: sector * 512)) }
        for start in [Int64(0), 20, 55, 77, 119] {
            #expect(try served(store, from: start).messages == Array(Int(start)..<120))
        }
        #expect(try place(of: 60, in: store).size > 0)
    }

    /// An index file is made anew: found by a start in its header or entries, by a search in its slots.
    @Test(arguments: [0, 1]) func anIndexFileIsMadeAnew(sector: Int) throws {
        let store = try open()
        send(0..<60, to: store)
        store.flush()
        store.close()
        let name = try #require(try disk.names(in: configuration.indexDirectory).first)
        #expect(disk.ruin(configuration.indexDirectory.appending(name), at: sector * 512))
        let again = try open()
        again.indexAll()
        for index in [0, 30, 59] {
            let found = try again.store.records(
                topic: "t", key: "k\(index)", within: 0...Int64.max, limit: 8, maximumBytes: 1 << 20)
            #expect(found.count == 1, "k\(index)")
        }
        again.close()
    }

    /// One finding for each place, whichever file it is in, and all the rest is looked at.
    @Test func aScrubNamesItAndGoesOn() throws {
        let store = try open()
        send(0..<120, to: store)
        store.flush()
        let sector = try place(of: 30, in: store).logOffset / 512 + 1
        let hit = try messages(in: sector, of: store)
        store.close()
        func scrub() throws -> (summary: StoreScrubber.Summary, findings: [StoreScrubber.Finding]) {
            var findings: [StoreScrubber.Finding] = []
            let summary = try StoreScrubber(root: configuration.root, indexSlots: 64, io: disk).scrub {
                findings.append($0)
            }
            return (summary, findings)
        }
        #expect(try scrub().findings == [])
        let index = try #require(try disk.names(in: configuration.indexDirectory).first)
        #expect(disk.ruin(segment, at: Int(sector) * 512))
        #expect(disk.ruin(configuration.consumeQueueDirectory.appending("t/0").appending(Segment.name(0)), at: 600))
        #expect(disk.ruin(configuration.indexDirectory.appending(index), at: 600))
        let (summary, findings) = try scrub()
        #expect(
            findings.contains(
                .unreadable(
                    file: "commitlog/" + Segment.name(0), bytes: sector * 512..<(sector + 1) * 512)))
        #expect(findings.contains(.unreadable(file: "consumequeue/t/0/" + Segment.name(0), bytes: 512..<1024)))
        #expect(findings.contains(.unreadable(file: "index/" + index, bytes: 512..<1024)))
        // Each record but those that the sector took.
        #expect(summary.records >= 120 - hit.count && summary.logEnd > 0)
        let isTorn = findings.contains { if case .tornTail = $0 { true } else { false } }
        #expect(!isTorn)
    }
}
