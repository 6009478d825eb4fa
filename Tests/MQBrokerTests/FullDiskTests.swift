import Foundation
import Glibc
import MQBroker
import MQTransport
import MQWire
import NIOCore
import SystemPackage
import Testing

/// A broker on a file system of its own that is too small, and then is not.
@Suite struct FullDiskTests {
    @Test func aFullDiskRefusesIsAnnouncedAndRecoversByItself() async throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("broker-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: root) }
        try #require(mount("none", root.path, "tmpfs", 0, "size=3m") == 0, "mounting needs root")
        defer { umount2(root.path, Int32(MNT_DETACH)) }
        try await TestBroker.run({ $0.storeRoot = FilePath(root.path) }) { test in
            let body = String(repeating: "x", count: 100_000)
            var kept = 0
            while try await test.send("T", body: body).responseCode == .success, kept < 60 { kept += 1 }
            #expect(kept > 10 && kept < 40)
            #expect(try await test.send("T", body: body).responseCode == .serviceNotAvailable)
            #expect(try await isWritable(test, becomes: false))
            // Reads go on.
            #expect(try test.bodies(await test.pull("T", from: 0)).first == body)
            // Space returns; nobody writes, and nobody restarts anything.
            try #require(mount("none", root.path, "tmpfs", UInt(MS_REMOUNT), "size=64m") == 0)
            #expect(try await isWritable(test, becomes: true))
            #expect(try await test.send("T", body: "after").responseCode == .success)
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
