import Foundation
import MQWire
import NIOCore
import SystemPackage
import Testing

@testable import MQStore

/// The note of what was deleted: what it hides must be dead, and what is dead must be hidden.
@Suite struct DeletedTopicsTests {
    private func filled() async throws -> StoreFixture {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        for topic in ["gone", "t"] {
            for index in 0..<3 { try await store.append([message(topic, body: "m\(index)")]) }
        }
        store.close()
        return fixture
    }

    private func delete(_ topic: String, in fixture: StoreFixture) async throws {
        let store = try fixture.open()
        let failure = await withCheckedContinuation { done in store.deleteTopic(topic) { done.resume(returning: $0) } }
        #expect(failure == nil)
        store.close()
    }

    private func table(_ fixture: StoreFixture) -> URL {
        URL(fileURLWithPath: fixture.root.appending("deletedTopics.json").string)
    }

    /// Each of its bytes with one bit turned around: either nothing of it changes, or the start says which file it is.
    @Test func aTableThatWentBadIsNamed() async throws {
        let fixture = try await filled()
        try await delete("gone", in: fixture)
        let io = SystemStorage()
        let path = FilePath(table(fixture).path)
        let sound = try Data(contentsOf: table(fixture))
        let known = try DeletedTopicsFile(path, io: io, logEnd: .max).table
        #expect(known.offsets.count == 1)
        for index in sound.indices {
            var bytes = sound
            bytes[index] ^= 1
            try bytes.write(to: table(fixture))
            do { #expect(try DeletedTopicsFile(path, io: io, logEnd: .max).table == known) } catch {
                #expect(error.code == .broken && error.path == path && error.message.contains("move it away"))
            }
        }
        #expect { try fixture.open() } throws: { ($0 as? StoreError)?.code == .broken }
        try sound.write(to: table(fixture))
        try fixture.open().close()
    }

    /// An earlier version wrote no sum. What it says of places that the log does not have is no reason to hide anything.
    @Test func aTableWithoutASumIsNotBelievedBehindTheLog() async throws {
        let fixture = try await filled()
        try await delete("gone", in: fixture)
        let old = String(decoding: try Data(contentsOf: table(fixture)), as: UTF8.self)
        let end = try #require(old.split(separator: ":").last.flatMap { Int64($0.dropLast()) })
        try Data(#"{"gone":\#(end),"t":\#(end + 8_000_000_000)}"#.utf8).write(to: table(fixture))
        try FileManager.default.removeItem(atPath: fixture.root.appending("consumequeue/t").string)
        let store = try fixture.open()
        #expect(try store.bodies("t") == ["m0", "m1", "m2"])
        #expect(store.maximumOffset(of: QueueKey(topic: "gone", queueID: 0)) == 0)
        store.close()
    }

    /// The log lost more than a deletion that was noted: on a full disk that cannot be noted, and nothing may be written
    /// where the deletion reaches to before it is.
    @Test func aFullDiskKeepsNoStoreFromStarting() throws {
        let disk = SimulatedDisk(seed: 3)
        let clock = SimulatedClock()
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = 1 << 16
        configuration.flushPolicy = .async
        configuration.indexSlots = 16
        configuration.indexEntries = 64
        let store = try SteppedStore(configuration, on: disk, clock: clock)
        for index in 0..<100 { _ = store.append([message("t", body: "m\(index)")]) }
        store.write()
        let end = store.store.maximumLogOffset
        store.store.deleteTopic("t") { #expect($0 == nil) }
        store.write()
        disk.cutPower()
        disk.change { $0.blockLimit = $0.usedBlocks }
        let full = try SteppedStore(configuration, on: disk, clock: clock)
        try #require(full.store.maximumLogOffset < end)
        let refused = full.append([message("t", body: "refused")])
        full.write()
        guard case .failure(let error) = refused.result else { return #expect(Bool(false), "it was taken") }
        #expect(error.code == .diskFull)
        disk.change { $0.blockLimit = nil }
        let taken = full.append([message("t", body: "new")])
        full.write()
        full.flush()
        guard case .success = taken.result else { return #expect(Bool(false), "\(String(describing: taken.result))") }
        disk.kill()
        let again = try SteppedStore(configuration, on: disk, clock: clock)
        #expect(try again.store.bodies("t") == ["new"])
    }

    /// RocketMQ's broker had the store, and deleted a topic: it notes nothing, and leaves our note of where queues ended.
    @Test(arguments: [false, true]) func aTopicThatRocketMQDeletedIsGone(isConfigured: Bool) async throws {
        let fixture = try await filled()
        let gone = QueueKey(topic: "gone", queueID: 0)
        try FileManager.default.removeItem(atPath: fixture.root.appending("consumequeue/gone").string)
        let config = ReplacedFile(fixture.root.appending("config").appending("topics.json"))
        try config.save(Array(#"{"topicConfigTable":{"t":{}\#(isConfigured ? #","gone":{}"# : "")}}"#.utf8))
        #expect(try StoreScrubber(root: fixture.root).scrub { _ in }.findings == (isConfigured ? 1 : 0))
        let store = try fixture.open()
        if isConfigured {
            // A folder that was lost: it is made anew.
            #expect(store.recovery.lackingQueues == [gone] && store.maximumOffset(of: gone) == 3)
            _ = store.close()
            return
        }
        #expect(store.recovery.lackingQueues.isEmpty && store.maximumOffset(of: gone) == 0)
        #expect(try await store.append([message("gone", body: "new")]).queueOffset == 0)
        store.close()
        // It is noted now: a walk of the whole log raises nothing.
        try FileManager.default.removeItem(atPath: fixture.root.appending("consumequeue").string)
        try config.save(Array(#"{"topicConfigTable":{"t":{},"gone":{}}}"#.utf8))
        let again = try fixture.open()
        #expect(try again.bodies("gone") == ["new"] && again.bodies("t").count == 3)
        again.close()
    }
}
