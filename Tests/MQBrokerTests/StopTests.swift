import Foundation
import MQBroker
import MQStore
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization
import SystemPackage
import Testing

/// A broker that stops while it is used.
@Suite struct StopTests {
    /// What senders were told.
    private final class Tally: Sendable {
        private let stored = Mutex<Set<String>>([])
        /// How each lane's last call ended, by its message.
        private let lastCalls = Mutex<[String: String]>([:])
        var answered: Set<String> { stored.withLock { $0 } }
        func insert(_ body: String) { stored.withLock { _ = $0.insert(body) } }
        func ended(_ body: String, _ how: String) { lastCalls.withLock { $0[body] = how } }
        func ends(of bodies: Set<String>) -> [String] {
            lastCalls.withLock { ends in bodies.sorted().map { "\($0): \(ends[$0] ?? "no end")" } }
        }
    }

    /// Sends one message after the other until one is refused or gets no answer.
    private static func sendOn(_ lane: Int, to address: String, through client: RemotingClient, tally: Tally) async {
        for number in 0..<100_000 {
            let body = "\(lane)-\(number)"
            let header = SendMessageRequestHeader(
                producerGroup: "PG", topic: "T", defaultTopic: "TBW102", defaultTopicQueueNums: 4, queueID: 0,
                sysFlag: 0, bornTimestamp: 1, flag: 0, properties: "UNIQ_KEY\u{1}\(body)", reconsumeTimes: 0)
            let request = RemotingCommand.request(
                .sendMessage, header, body: ByteBuffer(repeating: 0x61, count: 200_000))
            let start = ContinuousClock.now
            let answer: RemotingCommand
            do { answer = try await client.call(request, to: address, timeout: .seconds(20)) } catch {
                return tally.ended(body, "\(error), after \(ContinuousClock.now - start)")
            }
            // A disk that takes longer than it may is an answer, too: stored, and not known to be synced.
            if [.success, .flushDiskTimeout].contains(answer.responseCode) { tally.insert(body) }
            guard answer.responseCode == .success else {
                return tally.ended(body, "\(answer.responseCode), after \(ContinuousClock.now - start)")
            }
        }
    }

    @Test func aStopUnderLoadAnswersEverythingThatIsStored() async throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("broker-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        let tally = Tally()
        try await TestBroker.run({
            $0.storeRoot = FilePath(root.path)
            $0.flushDiskType = .sync
            $0.segmentBytes = 1 << 28
            // Nobody to say goodbye to: the stop goes on at once, while sends wait for the disk.
            $0.nameservers = []
        }) { test in
            let first = try await test.send("T", body: "first")
            #expect(first.responseCode == .success)
            // A held pull ends with its own code, not with the connection.
            let held = Task { try await test.pull("T", 1, from: 0, holdMilliseconds: 20_000).responseCode }
            let clients = (0..<8).map { _ in
                RemotingClient(group: MultiThreadedEventLoopGroup.singleton, logger: TestBroker.quiet)
            }
            let lanes = (0..<64).map { lane in
                Task { [address = test.address] in
                    await Self.sendOn(lane, to: address, through: clients[lane % clients.count], tally: tally)
                }
            }
            let isLoaded = await eventually { tally.answered.count > 200 }
            #expect(isLoaded)
            await test.broker.shutdown()
            for lane in lanes { await lane.value }
            let code = try await held.value
            #expect(code == .pullNotFound)
            for client in clients { await client.shutdown() }
        }
        var stored: Set<String> = []
        _ = try StoreScanner(root: FilePath(root.path)).scan { found in
            if let key = found.record.properties["UNIQ_KEY"] { stored.insert(key) }
        }
        let unanswered = stored.subtracting(tally.answered)
        #expect(unanswered.isEmpty, "of \(stored.count) stored: \(tally.ends(of: unanswered))")
        #expect(stored.count > 200)
    }
}
