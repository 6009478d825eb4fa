import Glibc
import Testing

@testable import LabAgent

/// Daemons that are started again, once or over and over: real ones, under the agent's own timer.
@Suite(.serialized) struct CrashFaultTests {
    private func withDaemon(_ body: (AgentClient, AgentProcess) async throws -> Void) async throws {
        try await AgentProcessTests().withAgent { client, agent in
            try await client.startDaemon(AgentProcessTests.sleeper)
            try await body(client, agent)
        }
    }

    private func pid(_ client: AgentClient) async throws -> Int32 {
        let status = try #require(try await client.daemons().first)
        return status.state == .running ? status.pid : 0
    }

    /// The processes that one daemon was, until there were so many.
    private func lives(_ client: AgentClient, _ count: Int) async throws -> Set<Int32> {
        let deadline = HostClock.monotonicNanoseconds() + 20_000_000_000
        var seen: Set<Int32> = []
        while seen.count < count, HostClock.monotonicNanoseconds() < deadline {
            let pid = try await pid(client)
            if pid != 0 { seen.insert(pid) }
            try await Task.sleep(for: .milliseconds(5))
        }
        return seen
    }

    @Test func aRestartLeavesAnotherProcess() async throws {
        try await withDaemon { client, _ in
            let before = try await pid(client)
            let fault = try await client.injectFault(
                FaultLoan(
                    uid: "r", kind: .processRestart(daemon: "d1", signal: SIGTERM), ttlMilliseconds: 60_000))
            let after = try await pid(client)
            #expect(fault.bit == true && after != before && after != 0, "\(fault)")
            #expect(fault.message == "process \(before) ended, process \(after) took its place")
            #expect(try await client.revertFault("r").state == .healed)
            #expect(try await pid(client) == after)
        }
    }

    @Test func aSignalThatEndsNothingIsNoRestart() async throws {
        try await withDaemon { client, _ in
            for kind in [
                FaultKind.processRestart(daemon: "d1", signal: SIGSTOP),
                .crashLoop(daemon: "d1", upMilliseconds: 0),
            ] {
                do throws(AgentFailure) {
                    _ = try await client.injectFault(FaultLoan(uid: "r", kind: kind, ttlMilliseconds: 1_000))
                    Issue.record("\(kind) was done")
                } catch { #expect(error.code == .badRequest, "\(error)") }
            }
        }
    }

    /// It crashes again and again without any agent, and runs on when the loan is over.
    @Test func aCrashLoopLastsAsLongAsItsLoan() async throws {
        try await withDaemon { client, agent in
            let fault = try await client.injectFault(
                FaultLoan(
                    uid: "c", kind: .crashLoop(daemon: "d1", upMilliseconds: 100), ttlMilliseconds: 60_000))
            #expect(fault.bit == true, "\(fault)")
            #expect(try await lives(client, 3).count == 3)
            agent.kill9()
            let next = try AgentProcess(root: agent.root)
            let again = AgentClient(transport: next)
            #expect(try await lives(again, 3).count == 3)
            let healed = try await again.revertFault("c")
            #expect(healed.state == .healed && healed.expired == false, "\(healed)")
            let last = try await pid(again)
            #expect(last != 0)
            // Several times as long as it ever was up.
            try await Task.sleep(for: .milliseconds(500))
            #expect(try await pid(again) == last)
            // And by itself.
            _ = try await again.injectFault(
                FaultLoan(
                    uid: "d", kind: .crashLoop(daemon: "d1", upMilliseconds: 100), ttlMilliseconds: 700))
            let deadline = HostClock.monotonicNanoseconds() + 20_000_000_000
            while try await again.faults().records.contains(where: { $0.state != .healed }),
                HostClock.monotonicNanoseconds() < deadline
            { try await Task.sleep(for: .milliseconds(10)) }
            #expect(try await again.faults().records.first { $0.loan.uid == "d" }?.expired == true)
            #expect(try await pid(again) != 0)
            await again.close()
            next.kill9()
        }
    }
}
