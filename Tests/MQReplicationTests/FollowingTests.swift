import Foundation
import Logging
import MQWire
import NIOCore
import Synchronization
import SystemPackage
import Testing

@testable import MQReplication
@testable import MQStore

/// A slave's one link in one epoch, and who is told of it.
@Suite struct FollowingTests {
    private static let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    private static let replica = Replica(id: ReplicaID(2), incarnation: 77)
    private static let epoch = Epoch(number: 3, mark: 9)

    /// What a master is told of its followers.
    private final class Book: Sendable {
        let reports = Mutex<[(replica: Replica, session: Int, offset: Int64)]>([])
        let left = Mutex<[(id: ReplicaID, session: Int)]>([])

        var events: FollowerEvents {
            FollowerEvents(
                reported: { [self] replica, session, offset in
                    reports.withLock { $0.append((replica, session, offset)) }
                },
                left: { [self] id, session in left.withLock { $0.append((id, session)) } })
        }
    }

    private func eventually(_ condition: () throws -> Bool) async throws -> Bool {
        try await ReplicationTests().eventually(condition)
    }

    private static func fill(_ store: MessageStore, _ count: Int) async throws {
        for index in 0..<count {
            let draft = RecordDraft(
                topic: "t", queueID: 0, bornTimestamp: 1, bornHost: .loopback, storeHost: .loopback,
                body: ByteBuffer(string: "m\(index)"), properties: ByteBuffer())
            _ = try await withCheckedThrowingContinuation { continuation in
                store.append([draft]) { continuation.resume(with: $0.result) }
            }
        }
    }

    private static func master(
        _ store: MessageStore, _ book: Book, bySet: Bool = false
    ) throws -> (ReplicationMaster, SocketAddress) {
        var configuration = ReplicationMaster.Configuration()
        configuration.host = "127.0.0.1"
        configuration.port = 0
        configuration.heartbeatMilliseconds = 50
        configuration.answersBySet = bySet
        configuration.furthestBehind = .max
        let master = ReplicationMaster(store: store, configuration: configuration, logger: quiet, events: book.events)
        return (master, try SocketAddress(ipAddress: "127.0.0.1", port: master.start()))
    }

    private static func slave(_ store: MessageStore) -> ReplicationSlave {
        var configuration = ReplicationSlave.Configuration()
        configuration.heartbeatMilliseconds = 50
        configuration.reportsFlushed = store.configuration.syncsCopies
        let slave = ReplicationSlave(store: store, configuration: configuration, logger: quiet)
        slave.start()
        return slave
    }

    /// A link in another epoch, or to a broker that is not the master, ends at once and is told once; in the right one the log
    /// is copied, and the master knows who has what. Its end is told to both.
    @Test func aLinkIsOfOneEpoch() async throws {
        let (first, second) = (ReplicationTests.Place(), ReplicationTests.Place())
        let (store, copy) = (try first.open(), try second.open())
        defer {
            copy.close()
            store.close()
        }
        try await Self.fill(store, 20)
        let book = Book()
        let (master, address) = try Self.master(store, book)
        defer { master.stop() }
        let slave = Self.slave(copy)
        defer { slave.stop() }
        let ends = Mutex(0)
        func follow(_ epoch: Epoch) {
            slave.follow(
                .init(address: address, sendsWholeLog: true, logStart: 0),
                .init(replica: Self.replica, epoch: epoch, ended: { ends.withLock { $0 += 1 } }))
        }
        follow(Self.epoch)
        #expect(try await eventually { ends.withLock { $0 } == 1 })
        master.serve(in: Self.epoch)
        follow(Epoch(number: 3, mark: 8))
        #expect(try await eventually { ends.withLock { $0 } == 2 })
        #expect(copy.maximumLogOffset == 0 && book.reports.withLock { $0.isEmpty })
        follow(Self.epoch)
        let end = store.maximumLogOffset
        #expect(try await eventually { book.reports.withLock { $0.last?.offset } == end })
        #expect(book.reports.withLock { $0.allSatisfy { $0.replica == Self.replica } })
        #expect(ends.withLock { $0 } == 2)
        master.release()
        #expect(try await eventually { ends.withLock { $0 } == 3 })
        let sessions = Set(book.reports.withLock { $0.map(\.session) })
        #expect(book.left.withLock { $0.map(\.session) } == sessions.sorted())
        // Who leaves by himself hears of no end.
        master.serve(in: Self.epoch)
        follow(Self.epoch)
        #expect(try await eventually { slave.isConnected })
        slave.leave()
        #expect(!slave.isConnected && ends.withLock { $0 } == 3)
    }

    /// In a group whose set decides, one follower's report releases nobody, and the end of all links is no success.
    @Test func whoWaitsForTheSetIsReleasedByIt() async throws {
        let (first, second) = (ReplicationTests.Place(), ReplicationTests.Place())
        let (store, copy) = (try first.open(), try second.open())
        defer {
            copy.close()
            store.close()
        }
        let book = Book()
        let (master, address) = try Self.master(store, book, bySet: true)
        defer { master.stop() }
        master.serve(in: Self.epoch)
        let slave = Self.slave(copy)
        defer { slave.stop() }
        slave.follow(
            .init(address: address, sendsWholeLog: true), .init(replica: Self.replica, epoch: Self.epoch, ended: {}))
        try await Self.fill(store, 2)
        let end = store.maximumLogOffset
        let outcomes = Mutex<[ReplicationMaster.Outcome]>([])
        master.awaitCopy(of: end, until: .max) { outcome in outcomes.withLock { $0.append(outcome) } }
        #expect(try await eventually { book.reports.withLock { $0.last?.offset } == end })
        #expect(outcomes.withLock { $0.isEmpty })
        master.acknowledge(upTo: end - 1)
        #expect(outcomes.withLock { $0.isEmpty })
        master.acknowledge(upTo: end)
        #expect(outcomes.withLock { $0 } == [.copied])
        master.awaitCopy(of: end + 1, until: .max) { outcome in outcomes.withLock { $0.append(outcome) } }
        master.release()
        #expect(outcomes.withLock { $0 } == [.copied, .timedOut])
    }

    /// Where a master counts on its followers' disks, a follower syncs what it copies at once, and says no more than that.
    @Test func whatIsReportedIsOnTheDisk() async throws {
        let (first, second) = (ReplicationTests.Place(), ReplicationTests.Place())
        let store = try first.open()
        defer { store.close() }
        var configuration = StoreConfiguration(root: second.root)
        configuration.segmentBytes = 1 << 20
        configuration.flushPolicy = .sync
        configuration.syncsCopies = true
        // Far longer than the test: only what is asked for is synced.
        configuration.flushIntervalMilliseconds = 60_000
        let copy = try MessageStore(configuration: configuration, now: { 1_700_000_000_000 })
        defer { copy.close() }
        let book = Book()
        let (master, address) = try Self.master(store, book)
        defer { master.stop() }
        master.serve(in: Self.epoch)
        let slave = Self.slave(copy)
        defer { slave.stop() }
        copy.observeLog { slave.reportFlushed() }
        slave.follow(
            .init(address: address, sendsWholeLog: true), .init(replica: Self.replica, epoch: Self.epoch, ended: {}))
        for _ in 0..<20 {
            try await Self.fill(store, 1)
            let end = store.maximumLogOffset
            #expect(try await eventually { book.reports.withLock { $0.last?.offset } == end })
            #expect(copy.flushedLogOffset == end)
        }
        copy.observeLog(nil)
    }

    @Test func aHelloIsReadWhole() throws {
        let hello = FollowerHello(replica: Self.replica, epoch: Self.epoch, start: 1 << 40)
        var bytes = hello.encoded()
        #expect(bytes.readInteger(as: Int64.self) == FollowerHello.mark)
        for length in 0..<bytes.readableBytes {
            var part = try #require(bytes.getSlice(at: bytes.readerIndex, length: length))
            #expect(FollowerHello(after: &part) == nil && part.readableBytes == length)
        }
        #expect(FollowerHello(after: &bytes) == hello && bytes.readableBytes == 0)
    }

    /// A store keeps its identity over stops, and over crashes where it says to have only what is on its disk; it has another
    /// one when it may have lost what it said to have.
    @Test func whoMayHaveLostSomethingIsAnother() throws {
        let place = ReplicationTests.Place()
        func identity(clean: Bool, damaged: Bool = false, flushed: Bool) throws -> UInt64 {
            try ReplicaIdentity(
                root: place.root, past: .init(wasCleanStop: clean, isDamaged: damaged), countsFlushed: flushed
            ).incarnation
        }
        let first = try identity(clean: false, flushed: true)
        #expect(try identity(clean: true, flushed: true) == first)
        #expect(try identity(clean: false, flushed: true) == first)
        let second = try identity(clean: true, damaged: true, flushed: true)
        #expect(second != first)
        // What it counts from now on is more than is on its disk.
        #expect(try identity(clean: true, flushed: false) == second)
        let third = try identity(clean: false, flushed: true)
        #expect(third != second)
        #expect(try identity(clean: false, flushed: true) == third)
        let file = place.root.appending("replica").string
        try Data("seatrial replica 1\n5 flushed\nsum 0\n".utf8).write(to: URL(fileURLWithPath: file))
        #expect(try identity(clean: true, flushed: true) != 5)
    }
}
