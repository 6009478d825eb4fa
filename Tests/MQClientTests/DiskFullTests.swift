import Foundation
import MQBroker
import MQNameserver
import MQStore
import MQWire
import Synchronization
import SystemPackage
import Testing

@testable import MQClient

/// A file system of its own on a loop device, small enough to be filled.
private struct SmallVolume {
    let folder: URL
    var mount: URL { folder.appendingPathComponent("mnt") }

    init(mebibytes: Int) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("volume-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: mount, withIntermediateDirectories: true)
        let image = folder.appendingPathComponent("image").path
        try Self.run("truncate", "-s", "\(mebibytes)M", image)
        try Self.run("mkfs.ext4", "-q", "-F", "-m", "0", image)
        try Self.run("mount", "-o", "loop", image, mount.path)
    }

    func remove() {
        // Lazily: whoever has a file open keeps it, and the loop device ends with the last of them.
        try? Self.run("umount", "-l", mount.path)
        try? FileManager.default.removeItem(at: folder)
    }

    private static func run(_ words: String...) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = words
        process.environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(words.joined(separator: " "))")
    }
}

/// A disk that is full under load, and has space again: nothing acknowledged is lost, and nobody has to help.
@Suite struct DiskFullTests {
    /// What the load saw.
    private final class Ledger: Sendable {
        private struct Pages {
            var next = 0
            var kept: Set<Int> = []
            var unknown: Set<Int> = []
            var refusals: [String: Int] = [:]
        }

        private let pages = Mutex(Pages())

        var kept: Set<Int> { pages.withLock { $0.kept } }
        var unknown: Set<Int> { pages.withLock { $0.unknown } }
        var refusals: [String: Int] { pages.withLock { $0.refusals } }
        func next() -> Int {
            pages.withLock { pages in
                pages.next += 1
                return pages.next
            }
        }
        func keep(_ number: Int) { pages.withLock { _ = $0.kept.insert(number) } }
        func fail(_ number: Int, _ error: MQClientError) {
            pages.withLock { pages in
                if error.outcome == .unknown { pages.unknown.insert(number) }
                let kind = if case .refused(_, let code, _) = error { "code \(code)" } else { "not sent" }
                pages.refusals[kind, default: 0] += 1
            }
        }
    }

    /// A body that tells its number, and whether a byte of it is wrong.
    private static func body(_ number: Int) -> [UInt8] {
        (0..<4096).map {
            $0 < 8 ? UInt8(truncatingIfNeeded: number >> (8 * $0)) : UInt8(truncatingIfNeeded: number &* 31 &+ $0)
        }
    }

    private static func number(_ body: [UInt8]) -> Int {
        body.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
    }

    /// Every message that there is, by number; a body that is wrong is an issue of its own.
    private func stored(_ client: MQConnection) async throws -> [Int] {
        let consumer = PullConsumer(group: "reader", client: client)
        var found: [Int] = []
        for queue in try await consumer.queues(for: "t") {
            var offset = try await consumer.minOffset(of: queue)
            let end = try await consumer.maxOffset(of: queue)
            while offset < end {
                let result = try await consumer.pull(queue, from: offset, max: 32)
                for message in result.messages {
                    let number = Self.number(message.body)
                    if message.body != Self.body(number) { Issue.record("the body of \(number) is damaged") }
                    found.append(number)
                }
                guard result.nextOffset > offset else { break }
                offset = result.nextOffset
            }
        }
        await consumer.shutdown()
        return found
    }

    @Test(.timeLimit(.minutes(3)), arguments: [FlushPolicyName.async, .sync])
    func whatWasAcknowledgedIsKeptAndWritingGoesOnByItself(_ flush: FlushPolicyName) async throws {
        let volume = try SmallVolume(mebibytes: 96)
        defer { volume.remove() }
        let ballast = volume.mount.appendingPathComponent("ballast")
        try Data(repeating: 1, count: 64 << 20).write(to: ballast)
        let nameserver = try await TestNameserver.start()
        let broker = try await TestBroker.start(nameserver: nameserver.address) {
            $0.storeRoot = FilePath(volume.mount.appendingPathComponent("store").path)
            // Else the oldest messages would make room for new ones.
            $0.retention.forcedRatio = nil
            $0.flushDiskType = flush == .sync ? .sync : .async
        }
        let client = MQConnection(configuration: .init(nameservers: [nameserver.address]))
        let admin = MQAdmin(client: client)
        #expect(try await eventually { try await admin.clusterInfo().brokers["broker-a"] != nil })
        let ledger = Ledger()
        let producer = Producer(group: "g", client: client)
        let load = Task {
            await withTaskGroup { group in
                for _ in 0..<8 {
                    group.addTask {
                        while !Task.isCancelled {
                            let number = ledger.next()
                            do throws(MQClientError) {
                                try await producer.send(Message(topic: "t", body: Self.body(number)), attempts: 1)
                                ledger.keep(number)
                            } catch {
                                ledger.fail(number, error)
                                try? await Task.sleep(for: .milliseconds(5))
                            }
                        }
                    }
                }
            }
        }
        // The disk is full: writing is refused with the protocol's code, the route takes no writes, reading goes on.
        #expect(await eventually(within: .seconds(60)) { ledger.refusals.values.reduce(0, +) >= 50 })
        let refused = "code \(ResponseCode.serviceNotAvailable.rawValue)"
        #expect(ledger.refusals[refused, default: 0] > 0, "\(ledger.refusals)")
        #expect(
            try await eventually {
                try await client.publishRoute(of: "t", isRefreshing: true).writableQueues.isEmpty
            })
        let before = ledger.kept
        let whileFull = try await stored(client)
        #expect(before.count > 1000)
        #expect(before.subtracting(whileFull).isEmpty)
        // Space again, and nothing else: the load goes on by itself.
        try FileManager.default.removeItem(at: ballast)
        #expect(await eventually(within: .seconds(60)) { ledger.kept.count >= before.count + 500 })
        load.cancel()
        await load.value
        let after = try await stored(client)
        #expect(after.count == Set(after).count, "a message is there twice")
        #expect(ledger.kept.subtracting(after).isEmpty)
        // Who was refused was told the truth.
        #expect(Set(after).subtracting(ledger.kept).subtracting(ledger.unknown).isEmpty)
        await producer.shutdown()
        await client.shutdown()
        await broker.stop()
        await nameserver.service.shutdown()
    }

    enum FlushPolicyName: Sendable { case async, sync }
}
