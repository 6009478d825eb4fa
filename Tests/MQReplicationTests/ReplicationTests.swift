import Foundation
import Logging
import MQWire
import NIOCore
import Synchronization
import SystemPackage
import Testing

@testable import MQReplication
@testable import MQStore

/// A master's and a slave's store in one process, with real sockets between them.
@Suite struct ReplicationTests {
    /// A store in a folder of its own.
    final class Place {
        let root = FilePath(NSTemporaryDirectory()).appending("replica-\(UUID().uuidString)")
        deinit { try? FileManager.default.removeItem(atPath: root.string) }

        func open(segmentBytes: Int64 = 1 << 20) throws -> MessageStore {
            var configuration = StoreConfiguration(root: root)
            configuration.segmentBytes = segmentBytes
            configuration.entriesPerQueueFile = 100
            return try MessageStore(configuration: configuration, now: { 1_700_000_000_000 })
        }

        /// The bytes of the log up to `end`, from the first segment on.
        func log(upTo end: Int64) throws -> Data {
            let folder = root.appending("commitlog").string
            var all = Data()
            for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() {
                all += try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))
            }
            return all.prefix(Int(end))
        }
    }

    private static let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    private static func master(_ store: MessageStore) throws -> (ReplicationMaster, SocketAddress) {
        var configuration = ReplicationMaster.Configuration()
        configuration.host = "127.0.0.1"
        configuration.port = 0
        configuration.heartbeatMilliseconds = 50
        let master = ReplicationMaster(store: store, configuration: configuration, logger: quiet)
        return (master, try SocketAddress(ipAddress: "127.0.0.1", port: master.start()))
    }

    private static func slave(_ store: MessageStore, of address: SocketAddress?, whole: Bool = true) -> ReplicationSlave
    {
        var configuration = ReplicationSlave.Configuration()
        configuration.pauseMilliseconds = 20
        configuration.heartbeatMilliseconds = 50
        let slave = ReplicationSlave(store: store, configuration: configuration, logger: quiet)
        slave.start()
        if let address { slave.follow(.init(address: address, sendsWholeLog: whole)) }
        return slave
    }

    private static func fill(_ store: MessageStore, _ range: Range<Int>, size: Int = 2000) async throws {
        for index in range {
            let draft = draft("t", Int32(index % 3), "m\(index)" + String(repeating: "x", count: size))
            _ = try await withCheckedThrowingContinuation { continuation in
                store.append([draft]) { continuation.resume(with: $0.result) }
            }
        }
    }

    static func draft(_ topic: String, _ queueID: Int32, _ body: String) -> RecordDraft {
        RecordDraft(
            topic: topic, queueID: queueID, bornTimestamp: 1, bornHost: .loopback, storeHost: .loopback,
            body: ByteBuffer(string: body), properties: ByteBuffer(string: "TAGS\u{1}a\u{2}"))
    }

    func eventually(_ condition: () throws -> Bool) async throws -> Bool {
        for _ in 0..<1000 {
            if try condition() { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    private func expectSame(_ one: (Place, MessageStore), _ other: (Place, MessageStore)) throws {
        #expect(Set(one.1.queueKeys) == Set(other.1.queueKeys))
        for key in one.1.queueKeys {
            #expect(one.1.minimumOffset(of: key) == other.1.minimumOffset(of: key), "\(key)")
            #expect(one.1.maximumOffset(of: key) == other.1.maximumOffset(of: key), "\(key)")
            let count = Int(one.1.maximumOffset(of: key))
            #expect(
                try one.1.entries(of: key, from: 0, count: count) == other.1.entries(of: key, from: 0, count: count))
        }
    }

    /// Behind a master's address another one may have begun: each link asks whether its log may be followed, and what is not
    /// admitted is not copied.
    @Test func aLinkThatIsMadeAnewAsksAnew() async throws {
        let (first, second) = (Place(), Place())
        let store = try first.open()
        defer { store.close() }
        try await Self.fill(store, 0..<10)
        let (master, address) = try Self.master(store)
        let copy = try second.open()
        defer { copy.close() }
        let slave = Self.slave(copy, of: nil)
        defer { slave.stop() }
        let asked = Mutex(0)
        slave.follow(.init(address: address)) { answer in
            let count = asked.withLock { count in
                count += 1
                return count
            }
            answer(count == 1 ? .follow(logStart: 0) : .refused("another epoch"))
        }
        let end = store.maximumLogOffset
        #expect(try await eventually { copy.maximumLogOffset == end && slave.isConnected })
        master.stop()
        try await Self.fill(store, 10..<20)
        var configuration = ReplicationMaster.Configuration()
        configuration.host = "127.0.0.1"
        configuration.port = try #require(address.port)
        let next = ReplicationMaster(store: store, configuration: configuration, logger: Self.quiet)
        try next.start()
        defer { next.stop() }
        #expect(try await eventually { asked.withLock { $0 } >= 3 })
        #expect(copy.maximumLogOffset == end && !slave.isConnected)
    }

    /// An empty slave gets the whole log of a master of ours, what is there and what comes, byte for byte but for what
    /// stands behind a filler's head, over several segments.
    @Test func aSlaveHasTheMastersLog() async throws {
        let (first, second) = (Place(), Place())
        let store = try first.open()
        defer { store.close() }
        try await Self.fill(store, 0..<600)
        let (master, address) = try Self.master(store)
        defer { master.stop() }
        let copy = try second.open()
        defer { copy.close() }
        let slave = Self.slave(copy, of: address)
        defer { slave.stop() }
        try await Self.fill(store, 600..<1200)
        #expect(try await eventually { copy.maximumLogOffset == store.maximumLogOffset })
        #expect(store.maximumLogOffset > 2 << 20)
        #expect(try first.log(upTo: store.maximumLogOffset) == second.log(upTo: store.maximumLogOffset))
        try expectSame((first, store), (second, copy))
        #expect(try await eventually { master.slaves.first?.reportedOffset == store.maximumLogOffset })
        #expect(master.lagBytes == 0 && slave.lagBytes == 0 && slave.isConnected)
    }

    /// What RocketMQ's slave asks for, an empty one gets: the last segment. Its queues begin in the middle.
    @Test func anEmptySlaveOfTheOtherKindBeginsWithTheLastSegment() async throws {
        let (first, second) = (Place(), Place())
        let store = try first.open()
        defer { store.close() }
        try await Self.fill(store, 0..<1200)
        let (master, address) = try Self.master(store)
        defer { master.stop() }
        let copy = try second.open()
        let slave = Self.slave(copy, of: address, whole: false)
        #expect(try await eventually { copy.maximumLogOffset == store.maximumLogOffset })
        #expect(copy.minimumLogOffset == 2 << 20)
        let key = QueueKey(topic: "t", queueID: 0)
        let minimum = copy.minimumOffset(of: key)
        #expect(minimum > 0 && copy.maximumOffset(of: key) == 400)
        #expect(
            try copy.entries(of: key, from: minimum, count: 400) == store.entries(of: key, from: minimum, count: 400))
        // It goes on from there after a restart.
        slave.stop()
        copy.close()
        try await Self.fill(store, 1200..<1210)
        let again = try second.open()
        defer { again.close() }
        let slaveAgain = Self.slave(again, of: address, whole: false)
        defer { slaveAgain.stop() }
        #expect(try await eventually { again.maximumLogOffset == store.maximumLogOffset })
        #expect(again.minimumLogOffset == 2 << 20 && again.maximumOffset(of: key) == 404)
    }

    /// A message counts as copied when the slave has it, and not before.
    @Test func aWaitEndsWithTheSlavesReport() async throws {
        let (first, second) = (Place(), Place())
        let store = try first.open()
        defer { store.close() }
        let (master, address) = try Self.master(store)
        func outcome(of end: Int64, milliseconds: Int64 = 5000) async -> ReplicationMaster.Outcome {
            await withCheckedContinuation { continuation in
                let deadline = MonotonicClock.nanoseconds() + milliseconds * 1_000_000
                master.awaitCopy(of: end, until: deadline) { continuation.resume(returning: $0) }
            }
        }
        try await Self.fill(store, 0..<1)
        #expect(await outcome(of: store.maximumLogOffset) == .unavailable)
        let copy = try second.open()
        defer { copy.close() }
        let slave = Self.slave(copy, of: address)
        #expect(try await eventually { master.slaves.count == 1 && master.lagBytes == 0 })
        for index in 1..<50 {
            try await Self.fill(store, index..<index + 1)
            let end = store.maximumLogOffset
            #expect(await outcome(of: end) == .copied)
            #expect(copy.maximumLogOffset >= end)
        }
        // Nobody will have what is not there.
        let never = store.maximumLogOffset + 1
        async let late = outcome(of: never, milliseconds: 50)
        try await Task.sleep(for: .milliseconds(200))
        master.expire(now: MonotonicClock.nanoseconds())
        #expect(await late == .timedOut)
        async let left = outcome(of: never)
        try await Task.sleep(for: .milliseconds(50))
        slave.stop()
        #expect(await left == .unavailable)
        master.stop()
    }

    /// A topic that was deleted and made anew on the master counts from 0 again on the slave.
    @Test func aTopicMadeAnewIsMadeAnewOnTheSlave() async throws {
        let (first, second) = (Place(), Place())
        let store = try first.open()
        defer { store.close() }
        let (master, address) = try Self.master(store)
        defer { master.stop() }
        let copy = try second.open()
        defer { copy.close() }
        let slave = Self.slave(copy, of: address)
        defer { slave.stop() }
        try await Self.fill(store, 0..<30, size: 10)
        await withCheckedContinuation { continuation in
            store.deleteTopic("t") { error in
                #expect(error == nil)
                continuation.resume()
            }
        }
        try await Self.fill(store, 30..<36, size: 10)
        #expect(try await eventually { copy.maximumLogOffset == store.maximumLogOffset })
        try expectSame((first, store), (second, copy))
        #expect(copy.maximumOffset(of: QueueKey(topic: "t", queueID: 0)) == 2)
    }

    /// Whoever is ahead of the master, or does not fit its segments, copies nothing, and destroys nothing.
    @Test func aLogThatDoesNotFitIsLeftAlone() async throws {
        let (first, second) = (Place(), Place())
        let store = try first.open()
        defer { store.close() }
        try await Self.fill(store, 0..<3)
        let (master, address) = try Self.master(store)
        defer { master.stop() }
        let ahead = try second.open()
        defer { ahead.close() }
        try await Self.fill(ahead, 0..<5)
        let end = ahead.maximumLogOffset
        let slave = Self.slave(ahead, of: address)
        try await Task.sleep(for: .milliseconds(300))
        slave.stop()
        #expect(ahead.maximumLogOffset == end && store.maximumLogOffset < end)
        let third = Place()
        let other = try third.open(segmentBytes: 2 << 20)
        defer { other.close() }
        try await Self.fill(store, 3..<600)
        let misfit = Self.slave(other, of: address)
        #expect(try await eventually { other.maximumLogOffset > 0 })
        try await Task.sleep(for: .milliseconds(300))
        misfit.stop()
        // It follows up to the first segment's end, where the filler does not fit.
        #expect(other.maximumLogOffset < 1 << 20 && other.maximumLogOffset > 1 << 19)
    }

    /// The slave's process dies while it copies, again and again: what it has is whole, and it goes on from there.
    @Test func aSlaveThatDiesGoesOn() async throws {
        let (first, second) = (Place(), Place())
        let store = try first.open()
        defer { store.close() }
        let (master, address) = try Self.master(store)
        defer { master.stop() }
        try await Self.fill(store, 0..<1500)
        for _ in 0..<5 {
            let copy = try second.open()
            let slave = Self.slave(copy, of: address)
            try await Task.sleep(for: .milliseconds(Int.random(in: 1...30)))
            slave.stop()
            copy.close()
            // As after a kill: the marker is there, and the walk is made.
            try Data().write(to: URL(fileURLWithPath: second.root.appending("abort").string))
        }
        let copy = try second.open()
        defer { copy.close() }
        let slave = Self.slave(copy, of: address)
        defer { slave.stop() }
        #expect(try await eventually { copy.maximumLogOffset == store.maximumLogOffset })
        #expect(try first.log(upTo: store.maximumLogOffset) == second.log(upTo: store.maximumLogOffset))
        try expectSame((first, store), (second, copy))
    }
}
