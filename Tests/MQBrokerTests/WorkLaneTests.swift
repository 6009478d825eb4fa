import CoreMetrics
import Foundation
import MQTransport
import MQWire
import NIOCore
import Synchronization
import Testing

@testable import MQBroker

@Suite struct WorkLaneTests {
    /// A clock that stands until it is set, nanoseconds.
    private final class Clock: Sendable {
        let time = Atomic<Int64>(0)
        func advance(milliseconds: Int64) {
            time.wrappingAdd(milliseconds * 1_000_000, ordering: .sequentiallyConsistent)
        }
    }

    private static func lane(_ limits: WorkLane.Limits, _ clock: Clock) -> WorkLane {
        WorkLane(limits, waits: CoreMetrics.Timer(label: "w", factory: NOOPMetricsHandler.instance)) {
            clock.time.load(ordering: .sequentiallyConsistent)
        }
    }

    /// The one thread is held up; what waits meanwhile is late for its turn, or not.
    @Test(arguments: [(50, nil), (100, nil), (101, 101)] as [(Int64, Int64?)])
    func whoWaitsTooLongIsTold(_ waited: Int64, _ late: Int64?) async {
        let clock = Clock()
        let lane = Self.lane(.init(threads: 1, waitMilliseconds: 100), clock)
        let gate = DispatchSemaphore(value: 0)
        lane.perform { _ in gate.wait() }
        #expect(await eventually { lane.count == 0 })
        async let turn = withCheckedContinuation { continuation in
            lane.perform { turn in continuation.resume(returning: turn) }
        }
        #expect(await eventually { lane.count == 1 })
        clock.advance(milliseconds: waited)
        #expect(lane.headWaitMilliseconds == waited)
        gate.signal()
        #expect(await turn == late.map { .late(milliseconds: $0) } ?? .work)
        await lane.stop()
    }

    /// Behind others of its own connection a request waits as well: what is late is refused, through a real socket.
    @Test func whoWaitsBehindItsOwnConnectionIsLateToo() async throws {
        try await TestBroker.run {
            $0.pullWait = .milliseconds(300)
        } _: { (test: TestBroker) async throws in
            _ = try await test.send("T")
            let gate = DispatchSemaphore(value: 0)
            defer { for _ in 0..<4 { gate.signal() } }
            let lanes = try #require(test.broker.lanes)
            for _ in 0..<4 { lanes.pull.perform { _ in gate.wait() } }
            #expect(await eventually { lanes.pull.count == 0 })
            let waiting = (0..<40).map { _ in Task { try await test.pull("T", from: 0) } }
            #expect(await eventually { lanes.pull.count == 40 })
            // The last of them, too.
            try await Task.sleep(for: .milliseconds(400))
            for _ in 0..<4 { gate.signal() }
            for task in waiting {
                let answer = try await task.value
                #expect(answer.responseCode == .systemBusy && answer.remark?.hasPrefix("[TIMEOUT_CLEAN_QUEUE]") == true)
            }
        }
    }

    @Test func aFullLaneSaysSo() async {
        let lane = Self.lane(.init(threads: 1, capacity: 2), Clock())
        let gate = DispatchSemaphore(value: 0)
        for _ in 0..<3 { lane.perform { _ in gate.wait() } }
        // One is at work, two wait.
        #expect(await eventually { lane.count == 2 })
        #expect(lane.isFull)
        for _ in 0..<3 { gate.signal() }
        #expect(await eventually { !lane.isFull })
        await lane.stop()
    }

    @Test func whatWaitsWhenTheThreadsEndHearsOfIt() async {
        let lane = Self.lane(.init(threads: 1), Clock())
        await lane.stop()
        let turn = await withCheckedContinuation { continuation in
            lane.perform { turn in continuation.resume(returning: turn) }
        }
        #expect(turn == .stopped)
    }

    /// Pulls that cannot be read hold nobody else up: no send, no heartbeat of a new group, no question of a tool.
    @Test func slowPullsStarveNobody() async throws {
        try await TestBroker.run {
            $0.pullQueueCapacity = 30
            // They wait until the test has seen all else go on, however slow the machine is.
            $0.pullWait = .seconds(300)
        } _: { (test: TestBroker) async throws in
            _ = try await test.send("T")
            let gate = DispatchSemaphore(value: 0)
            // Whatever happens: a broker whose threads are stuck does not stop.
            defer { for _ in 0..<4 { gate.signal() } }
            let lanes = try #require(test.broker.lanes)
            for _ in 0..<4 { lanes.pull.perform { _ in gate.wait() } }
            #expect(await eventually { lanes.pull.count == 0 })
            // All threads for pulls are stuck. Thirty wait, more than one connection has threads, and the next is refused.
            let waiting = (0..<30).map { _ in Task { try await test.pull("T", from: 0) } }
            #expect(await eventually { lanes.pull.count == 30 })
            let refused = try await test.pull("T", from: 0)
            #expect(refused.responseCode == .systemBusy && refused.remark?.hasPrefix("[OVERLOAD]") == true)
            #expect(try await test.send("New topic needs a save".filter { $0 != " " }).responseCode == .success)
            try await test.heartbeat("c", group: "NewGroup", topic: "T")
            #expect(try await test.call(.request(.getBrokerRuntimeInfo)).responseCode == .success)
            for _ in 0..<4 { gate.signal() }
            for task in waiting { #expect(try await test.bodies(task.value) == ["m"]) }
        }
    }
}
