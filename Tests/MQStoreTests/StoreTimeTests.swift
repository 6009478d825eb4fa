import Foundation
import MQWire
import NIOCore
import SystemPackage
import Testing

@testable import MQStore

/// Times of records, of which one may say anything.
@Suite struct StoreTimeTests {
    /// The last two records' times, what the process before knew, the clock; the store's time.
    @Test(arguments: [
        ([100, 110] as [Int64], 90 as Int64, 500 as Int64, 110 as Int64), ([100, 1 << 60], 90, 500, 100),
        ([1 << 60, 110], 90, 500, 110), ([100, 5], 90, 500, 100), ([1 << 60], 90, 500, 90), ([], 90, 500, 90),
        ([], 0, 500, 0), ([900, 905], 90, 500, 905), ([900, 1 << 60], 90, 500, 900), ([905, 905], 900, 500, 905),
        ([905, 950], 950, 500, 950), ([1 << 60, 900], 90, 500, 900),
    ])
    func theLastTimeIsOneThatMayBe(times: [Int64], known: Int64, now: Int64, expected: Int64) {
        var last = LastStoreTime()
        for time in times { last.saw(time) }
        #expect(last.value(known: known, now: now) == expected)
    }

    /// A start that is refused has changed no file: segments of another size, after a clean stop and after a crash.
    @Test(arguments: [true, false]) func aRefusedStartLeavesEveryFileAsItWas(cleanly: Bool) async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        for _ in 0..<3 { try await store.append([message("t", body: String(repeating: "x", count: 100_000))]) }
        let copy = cleanly ? fixture : try fixture.crashed()
        store.close()
        if !cleanly {
            let checkpoint = fixture.root.appending("checkpoint").string
            let target = copy.root.appending("checkpoint").string
            try? FileManager.default.removeItem(atPath: target)
            try FileManager.default.copyItem(atPath: checkpoint, toPath: target)
        }
        func files() throws -> [String: Data] {
            let names = try FileManager.default.subpathsOfDirectory(atPath: copy.root.string)
            return Dictionary(
                uniqueKeysWithValues: names.map {
                    ($0, FileManager.default.contents(atPath: copy.root.appending($0).string) ?? Data())
                })
        }
        let before = try files()
        for change in [{ $0.segmentBytes = 4 << 20 }, { $0.entriesPerQueueFile = 300 }]
            as [(inout StoreConfiguration) -> Void]
        {
            var configuration = copy.configuration()
            change(&configuration)
            #expect {
                try MessageStore(configuration: configuration, now: { 1_700_000_000_000 })
            } throws: { ($0 as? StoreError)?.code == .layout }
            #expect(try files() == before)
        }
        let again = try copy.open()
        #expect(try again.bodies("t").count == 3)
        again.close()
    }

    /// A header's time flips into the far future, in the last record and in one before.
    @Test(arguments: [0, 1]) func aTimeThatWentBadDoesNotHoldTheClock(back: Int) throws {
        let disk = SimulatedDisk(seed: 1)
        let clock = SimulatedClock()
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = 1 << 16
        configuration.indexSlots = 64
        configuration.indexEntries = 1024
        func open() throws -> SteppedStore { try SteppedStore(configuration, on: disk, clock: clock) }
        let store = try open()
        var offsets: [Int64] = []
        for index in 0..<4 {
            clock.advance(5)
            offsets.append(store.store.maximumLogOffset)
            _ = store.append([message("t", body: "m\(index)")])
            store.write()
        }
        disk.kill()
        let place = Int(offsets[3 - back]) + RecordLayout.bornHostOffset + 8
        disk.flip(configuration.commitLogDirectory.appending(Segment.name(0)), at: place + 1, bits: 0x08)
        let again = try open()
        clock.advance(5)
        let answer = again.append([message("t", body: "next")])
        again.write()
        #expect(try answer.result?.get().storeTimestamp == clock.milliseconds)
    }

    private func filled(_ segments: Int, perSegment: Int) throws -> (SegmentChain, SimulatedDisk) {
        let disk = SimulatedDisk(seed: 1)
        _ = try disk.createDirectory("/disk/log")
        let chain = try SegmentChain(
            directory: "/disk/log", segmentBytes: 4096, io: disk, names: NameJournal(io: disk))
        for segment in 0..<segments {
            var offset = Int64(segment) * 4096
            for index in 0..<perSegment {
                var buffer = ByteBuffer()
                message("t", body: "x").encode(
                    into: &buffer, queueOffset: 0, logOffset: offset,
                    storeTimestamp: 1 << 41 + Int64(segment * 100 + index))
                try chain.write(buffer, at: offset)
                offset += Int64(buffer.readableBytes)
            }
        }
        return (chain, disk)
    }

    /// One header of a segment goes bad: its size, its magic, its time into the future or the past.
    @Test(arguments: [(2, 0x40), (5, 0x01), (57, 0x08), (58, 0x02)] as [(Int, UInt8)])
    func aSegmentWhoseFirstHeaderWentBadHasItsAge(within: Int, bits: UInt8) throws {
        let base: Int64 = 1 << 41
        for perSegment in [3, 4] {
            let (chain, disk) = try filled(4, perSegment: perSegment)
            let sound = try SegmentTimes.newest(of: chain.all, count: 3, last: base + 1000)
            #expect(sound == [base + 101, base + 201, base + 301])
            disk.flip(FilePath("/disk/log").appending(Segment.name(8192)), at: within, bits: bits)
            let newest = try SegmentTimes.newest(of: chain.all, count: 3, last: base + 1000)
            #expect(newest[0] == base + 101 && newest[2] == base + 301)
            #expect(newest[1] >= base + 200 && newest[1] <= base + 202, "\(newest)")
        }
    }

    /// A segment in which nothing can be read any more holds up nobody.
    @Test func aSegmentWithoutAnyTimeIsAsOldAsTheNextOne() throws {
        let (chain, _) = try filled(4, perSegment: 3)
        try #require(chain.segment(at: 4096)).zero(from: 4096, durably: false)
        try #require(chain.segment(at: 12288)).zero(from: 12288, durably: false)
        let base: Int64 = 1 << 41
        #expect(
            try SegmentTimes.newest(of: chain.all, count: 3, last: base + 1000) == [
                base + 201, base + 201, base + 1000,
            ])
    }
}
