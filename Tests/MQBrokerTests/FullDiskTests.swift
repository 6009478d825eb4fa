import Foundation
import Glibc
import Logging
import MQStore
import MQTransport
import MQWire
import NIOCore
import SystemPackage
import Testing

@testable import MQBroker

/// A broker whose disk is full, refuses writes or loses them: what it says to whom, and whether it comes back by itself.
@Suite struct FullDiskTests {
    /// A file system in memory of so many MiB, taken away with its last user.
    private final class SmallVolume {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("volume-\(UUID().uuidString)")

        init(mebibytes: Int) throws {
            try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
            try #require(mount("none", root.path, "tmpfs", 0, "size=\(mebibytes)m") == 0, "mounting needs root")
        }

        func grow(to mebibytes: Int) throws {
            try #require(mount("none", root.path, "tmpfs", UInt(MS_REMOUNT), "size=\(mebibytes)m") == 0)
        }

        deinit {
            umount2(root.path, Int32(MNT_DETACH))
            try? FileManager.default.removeItem(at: root)
        }
    }

    private static let body = String(repeating: "x", count: 100_000)

    @Test func aFullDiskRefusesIsAnnouncedAndRecoversByItself() async throws {
        let volume = try SmallVolume(mebibytes: 3)
        try await TestBroker.run({
            $0.storeRoot = FilePath(volume.root.path)
            // Else the oldest messages make room.
            $0.retention.forcedRatio = nil
        }) { test in
            var kept = 0
            while try await test.send("T", body: Self.body).responseCode == .success, kept < 60 { kept += 1 }
            #expect(kept > 10 && kept < 40)
            #expect(try await test.send("T", body: Self.body).responseCode == .serviceNotAvailable)
            #expect(try await isWritable(test, becomes: false))
            // A short message may fit and does not make the disk less full.
            _ = try await test.send("T", body: "short")
            #expect(!test.broker.isWritable)
            // Reads go on.
            #expect(try test.bodies(await test.pull("T", from: 0)).first == Self.body)
            // Space returns; nobody writes, and nobody restarts anything.
            try volume.grow(to: 64)
            #expect(try await isWritable(test, becomes: true))
            #expect(try await test.send("T", body: "after").responseCode == .success)
        }
    }

    /// Nobody gives space to this one but its own retention, which leaves 15 % of a small disk free and no more.
    @Test(arguments: [4, 12, 40]) func aSmallDiskThatMakesItsOwnRoomTakesWritesAgain(mebibytes: Int) async throws {
        let volume = try SmallVolume(mebibytes: mebibytes)
        let log = RecordedLog()
        try await TestBroker.run({ $0.storeRoot = FilePath(volume.root.path) }, logger: log.logger) {
            (test: TestBroker) async throws in
            for round in 0..<2 {
                var kept = 0
                while try await test.send("T", body: Self.body).responseCode == .success, kept < 1000 { kept += 1 }
                #expect(kept < 1000, "round \(round)")
                #expect(await eventually { test.broker.isWritable })
                #expect(try await isWritable(test, becomes: true))
                #expect(try await test.send("T", body: "after \(round)").responseCode == .success)
            }
            // Messages that nobody has read went for it, which is not done in silence.
            let words = "the disk is nearly full: the oldest messages went before their time"
            #expect(
                await eventually { log.lines.contains { $0.level == .warning && $0.text.hasPrefix(words) } })
        }
    }

    /// Nothing of such a write is done, and nobody knows for how long: it is tried again.
    @Test(arguments: [Errno.readOnlyFileSystem, .ioError]) func aDiskThatTakesNoWritesIsTriedAgain(
        _ error: Errno
    ) async throws {
        let disk = FaultyStorage()
        try await TestBroker.run(storage: disk) { test in
            var kept: [String] = []
            for index in 0..<5 {
                #expect(try await test.send("T", body: "m\(index)").responseCode == .success)
                kept.append("m\(index)")
            }
            disk.refuseWrites(error)
            let refusal = try await test.send("T", body: "refused")
            #expect(refusal.responseCode == .serviceNotAvailable)
            #expect(refusal.remark?.contains("\(error)") == true, "\(refusal.remark ?? "")")
            // A topic whose queues are not there yet meets it where its files would be made.
            #expect(try await test.send("New", body: "refused").responseCode == .serviceNotAvailable)
            #expect(try await isWritable(test, becomes: false))
            #expect(try test.bodies(await test.pull("T", from: 0)) == kept)
            // The disk was tried meanwhile, and found as it was.
            let probes = disk.refusedProbes
            #expect(await eventually { disk.refusedProbes > probes })
            #expect(!test.broker.isWritable)
            disk.refuseWrites(nil)
            #expect(try await isWritable(test, becomes: true))
            #expect(try await test.send("T", body: "after").responseCode == .success)
            #expect(try test.bodies(await test.pull("T", from: 0)) == kept + ["after"])
            #expect(try await test.send("New", body: "new").responseCode == .success)
            #expect(try test.bodies(await test.pull("New", from: 0)) == ["new"])
        }
    }

    /// What the failed sync covered may be lost, and a later one would say that it is there: no write is taken until a
    /// restart has read what the disk has.
    @Test func aFailedSyncIsFinalUntilTheRestart() async throws {
        let volume = try SmallVolume(mebibytes: 64)
        let disk = FaultyStorage()
        try await TestBroker.run(
            {
                $0.storeRoot = FilePath(volume.root.path)
                $0.flushDiskType = .sync
            }, storage: disk
        ) { test in
            let first = try await test.send("T", body: "first")
            #expect(first.responseCode == .success)
            disk.failSyncs(1)
            #expect(try await test.send("T", body: "weak").responseCode == .flushDiskTimeout)
            for _ in 0..<3 {
                #expect(try await test.send("T", body: "refused").responseCode == .serviceNotAvailable)
            }
            #expect(try await isWritable(test, becomes: false))
            #expect(try test.bodies(await test.pull("T", from: 0)) == ["first", "weak"])
        }
        #expect(FileManager.default.fileExists(atPath: volume.root.appendingPathComponent("abort").path))
        try await TestBroker.run({
            $0.storeRoot = FilePath(volume.root.path)
        }) { test in
            let pulled = try await test.pull("T", from: 0)
            #expect(try test.bodies(pulled).first == "first")
            #expect(try await test.send("T", body: "after").responseCode == .success)
        }
    }

    /// Of a disk that takes no writes the log says so at once, and of a sync that fails meanwhile that only a restart helps.
    @Test func whatIsFinalIsSaidAlsoAfterWhatIsNot() async throws {
        let volume = try SmallVolume(mebibytes: 64)
        let (disk, log) = (FaultyStorage(), RecordedLog())
        func errors(_ text: String) -> [Logger.Level] {
            log.lines.filter { $0.text.hasPrefix(text) }.map(\.level)
        }
        try await TestBroker.run(
            {
                $0.storeRoot = FilePath(volume.root.path)
                $0.flushDiskType = .sync
            }, storage: disk, logger: log.logger
        ) { (test: TestBroker) async throws in
            disk.holdSync()
            async let unsure = test.send("T", body: "written, and not synced")
            #expect(await eventually { disk.isSyncHeld })
            disk.refuseWrites(.ioError)
            #expect(try await test.send("T", body: "refused").responseCode != .success)
            #expect(await eventually { errors("the store takes no messages until the disk does") == [.warning] })
            disk.failHeldSync()
            #expect(await eventually { errors("the store takes no messages until a restart") == [.error] })
            #expect(try await unsure.responseCode == .flushDiskTimeout)
            disk.refuseWrites(nil)
        }
    }

    /// Waits until the route says so; the deadline only bounds a failure.
    private func isWritable(_ test: TestBroker, becomes expected: Bool) async throws -> Bool {
        let deadline = ContinuousClock.now.advanced(by: .seconds(20))
        while ContinuousClock.now < deadline {
            let answer = try await test.client.call(
                .request(.getRouteByTopic, TopicRequestHeader(topic: "T")), to: test.nameserverAddress,
                timeout: .seconds(5))
            let route = try TopicRouteData(json: JSONValue(parsing: answer.body ?? ByteBuffer()))
            if route.queueDatas.first?.permission.contains(.write) == expected { return true }
            try await Task.sleep(for: .milliseconds(50))
        }
        return false
    }
}
