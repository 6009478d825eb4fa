import Glibc
import SystemPackage
import Testing

@testable import LabAgent

/// Loans whose records can't be read or written: the others heal all the same, and each failure is told by name.
///
/// Real agents and timers. Damage is done to the records' files, which lie below the root.
@Suite(.serialized) struct FaultTroubleTests {
    /// An agent with two sleeping daemons, `d1` and `d2`, each stopped under a loan, `a` and `b`.
    func withTwoLoans(
        ttlMilliseconds: Int64 = 60_000, _ body: (AgentClient, AgentProcess) async throws -> Void
    ) async throws {
        try await AgentProcessTests().withAgent { client, agent in
            for (daemon, uid) in [("d1", "a"), ("d2", "b")] {
                try await client.startDaemon(DaemonSpec(name: daemon, executable: "/bin/sleep", arguments: ["300"]))
                let fault = try await client.injectFault(
                    FaultLoan(
                        uid: uid, kind: .processSignal(daemon: daemon, signal: SIGSTOP),
                        ttlMilliseconds: ttlMilliseconds))
                #expect(fault.bit == true)
            }
            try await body(client, agent)
        }
    }

    @Test func oneUnreadableRecordHidesNoOther() async throws {
        try await withTwoLoans { client, agent in
            let record = try await client.readFile("faults/a.json").content.bytes
            try await client.writeFile("faults/a.json", Array("{torn".utf8))
            let listed = try await client.faults()
            #expect(listed.records.map(\.loan.uid) == ["b"] && listed.failures.map(\.uid) == ["a"])
            #expect(listed.failures.first?.message.contains("faults/a.json") == true, "\(listed.failures)")

            let healed = try await client.healAllFaults()
            #expect(healed.records.map(\.state) == [.healed] && healed.failures.map(\.uid) == ["a"])
            #expect(try await client.daemons().map(\.state) == [.stopped, .running])
            do throws(AgentFailure) {
                try await client.destroy()
                Issue.record("everything was removed, a fault that nobody could undo as well")
            } catch { #expect(error.message.contains("fault 'a'"), "\(error)") }

            let next = try AgentProcess(root: agent.root)
            let again = AgentClient(transport: next)
            let hello = try await again.hello(agentVersion: "")
            #expect(
                hello.troubles.count == 1 && hello.troubles.first?.contains("fault 'a'") == true, "\(hello.troubles)")
            let log = try await again.readFile(AgentLog.path).content.bytes
            #expect(String(decoding: log, as: UTF8.self).contains("fault 'a'"))

            try await again.writeFile("faults/a.json", record)
            let repaired = try await again.healAllFaults()
            #expect(repaired.failures.isEmpty && repaired.records.map(\.state) == [.healed, .healed])
            await again.close()
            next.kill9()
        }
    }

    @Test func oneRecordThatCannotBeWrittenStopsNoOther() async throws {
        try await withTwoLoans { client, agent in
            // In the way of the new file that would replace the record.
            let obstacle = agent.root.appending("faults/.a.json.new.\(agent.pid)").string
            #expect(mkdir(obstacle, 0o700) == 0)
            let healed = try await client.healAllFaults()
            #expect(healed.failures.map(\.uid) == ["a"] && healed.records.map(\.state) == [.active, .healed])
            #expect(rmdir(obstacle) == 0)
            let after = try await client.healAllFaults()
            #expect(after.failures.isEmpty && after.records.map(\.state) == [.healed, .healed])
        }
    }

    @Test func aTimerGoesOnUntilItCanReadItsRecord() async throws {
        try await withTwoLoans(ttlMilliseconds: 400) { client, _ in
            let record = try await client.readFile("faults/a.json").content.bytes
            try await client.writeFile("faults/a.json", Array("{torn".utf8))
            try await wait { try await client.faults().records.first { $0.loan.uid == "b" }?.state == .healed }
            try await wait {
                guard let log = try? await client.readFile(AgentLog.path).content.bytes else { return false }
                return String(decoding: log, as: UTF8.self).contains("timer of fault 'a'")
            }
            try await client.writeFile("faults/a.json", record)
            try await wait { try await client.faults().records.first { $0.loan.uid == "a" }?.state == .healed }
            #expect(try await client.faults().records.map(\.expired) == [true, true])
            #expect(try await client.daemons().map(\.state) == [.running, .running])
        }
    }

    private func wait(_ condition: () async throws -> Bool) async throws {
        let deadline = HostClock.monotonicNanoseconds() + 20_000_000_000
        while try await !condition() {
            guard HostClock.monotonicNanoseconds() < deadline else {
                Issue.record("it did not come about within 20 s")
                return
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
