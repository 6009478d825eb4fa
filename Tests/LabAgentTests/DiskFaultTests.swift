import Glibc
import SystemPackage
import Testing

@testable import LabAgent

/// A real small disk that is filled as a loan: what was written stays, nothing more can be written, and the space comes
/// back whoever is killed.
@Suite(.serialized) struct DiskFaultTests {
    /// An agent whose root lies on a loop device of its own, with a store that holds one file.
    private func withSmallDisk(
        _ filesystem: String = "ext4", _ body: (AgentClient, AgentProcess) async throws -> Void
    ) async throws {
        try await AgentProcessTests().withAgent { outer, place in
            func shell(_ script: String) async throws {
                let result = try await outer.run(
                    RunRequest(arguments: ["sh", "-ec", script], workingDirectory: "", timeoutMilliseconds: 60_000))
                try #require(result.exitCode == 0, "\(String(decoding: result.standardError.bytes, as: UTF8.self))")
            }
            let size = filesystem == "xfs" ? "320M" : "64M"
            try await shell(
                "truncate -s \(size) image; mkfs.\(filesystem) -q image; mkdir disk; mount -o loop image disk")
            let outcome: Result<Void, any Error>
            let agent = try AgentProcess(root: place.root.appending("disk").appending("root"))
            let client = AgentClient(transport: agent)
            do {
                try await client.writeFile("store/kept", [1, 2, 3])
                try await body(client, agent)
                outcome = .success(())
            } catch { outcome = .failure(error) }
            await client.close()
            agent.kill9()
            // Lazily: a timer may still be looking.
            try await shell("umount -l disk")
            try outcome.get()
        }
    }

    private func loan(ttlMilliseconds: Int64 = 60_000) -> FaultLoan {
        FaultLoan(uid: "full", kind: .diskFull(path: "store"), ttlMilliseconds: ttlMilliseconds)
    }

    private func canWrite(_ client: AgentClient) async -> Bool {
        do throws(AgentFailure) {
            try await client.writeFile("store/more", [UInt8](repeating: 7, count: 8192))
            return true
        } catch { return false }
    }

    @Test(arguments: ["ext4", "xfs"]) func aFullDiskTakesNothingAndIsGivenBack(_ filesystem: String) async throws {
        try await withSmallDisk(filesystem) { client, agent in
            #expect(await canWrite(client))
            let fault = try await client.injectFault(loan())
            #expect(fault.bit == true && fault.state == .active && fault.undo == .freeDisk("store"))
            // Also the record of it was written, though nothing more can be.
            #expect(try await client.faults().records == [fault])
            #expect(await !canWrite(client))
            #expect(try await client.readFile("store/kept").content.bytes == [1, 2, 3])
            agent.kill9()
            let second = try AgentProcess(root: agent.root)
            let again = AgentClient(transport: second)
            #expect(try await again.hello(agentVersion: "").troubles.isEmpty)
            let healed = try await again.revertFault("full")
            #expect(healed.state == .healed && healed.expired == false)
            #expect(await canWrite(again))
            #expect(try await again.listDirectory("store").map(\.name) == ["kept", "more"])
            // Once more under the same name, as a schedule may.
            #expect(try await again.injectFault(loan()).bit == true)
            #expect(try await again.healAllFaults().records.map(\.state) == [.healed])
            #expect(try await again.listDirectory("faults").map(\.name) == [".full.lock", "full.json"])
            await again.close()
            second.kill9()
        }
    }

    /// `kill -9` of the agent at some moment of the deed: its timer gives the space back.
    @Test(arguments: [0, 1, 2, 4, 8, 12, 16, 24, 40]) func theSpaceComesBackWhoeverIsKilled(_ milliseconds: UInt32)
        async throws
    {
        try await withSmallDisk { client, agent in
            _ = try await client.hello(agentVersion: "")
            let request = AgentRequestEnvelope(id: 9_999, request: .faultInject(loan(ttlMilliseconds: 300)))
            try await agent.send(AgentFrame.encode(request))
            usleep(milliseconds * 1_000)
            agent.kill9()
            let second = try AgentProcess(root: agent.root)
            let again = AgentClient(transport: second)
            let deadline = HostClock.monotonicNanoseconds() + 10_000_000_000
            while try await again.faults().records.contains(where: { $0.state != .healed }),
                HostClock.monotonicNanoseconds() < deadline
            {
                usleep(5_000)
            }
            let sweep = try await again.faults()
            #expect(sweep.failures.isEmpty && sweep.records.allSatisfy { $0.state == .healed }, "\(sweep)")
            #expect(await canWrite(again))
            #expect(try await again.listDirectory("store").map(\.name) == ["kept", "more"])
            await again.close()
            second.kill9()
        }
    }

    @Test func aDirectoryThatIsNotThereCannotBeFilled() async throws {
        try await withSmallDisk { client, _ in
            for path in ["no/such", "../..", "store/kept"] {
                do throws(AgentFailure) {
                    _ = try await client.injectFault(
                        FaultLoan(uid: "f", kind: .diskFull(path: path), ttlMilliseconds: 1_000))
                    Issue.record("'\(path)' was filled")
                } catch { #expect([.notFound, .pathEscape, .system].contains(error.code), "\(path): \(error)") }
            }
            #expect(await canWrite(client))
        }
    }
}
