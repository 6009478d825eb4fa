import Glibc
import SystemPackage
import Testing

@testable import LabAgent

/// The real agent over pipes, with real daemons (`/bin/sleep` and small shell scripts).
@Suite(.serialized) struct AgentProcessTests {
    static let sleeper = DaemonSpec(name: "d1", executable: "/bin/sleep", arguments: ["300"])

    /// Runs `body` with an agent and destroys whatever it left, also after a failure.
    func withAgent(_ body: (AgentClient, AgentProcess) async throws -> Void) async throws {
        signal(SIGPIPE, SIG_IGN)
        let agent = try AgentProcess(root: AgentProcess.newRoot())
        let client = AgentClient(transport: agent)
        let outcome: Result<Void, any Error>
        do {
            try await body(client, agent)
            outcome = .success(())
        } catch { outcome = .failure(error) }
        await client.close()
        agent.kill9()
        try await destroy(agent.root)
        try outcome.get()
    }

    func destroy(_ root: FilePath) async throws {
        let last = try AgentProcess(root: root)
        let client = AgentClient(transport: last)
        try await client.destroy(grace: .milliseconds(500))
        await client.close()
        last.kill9()
        #expect(access(root.string, F_OK) != 0, "\(root) is still there after destroy")
    }

    func expectFailure(_ code: AgentFailure.Code, _ body: () async throws -> Void) async {
        do {
            try await body()
            Issue.record("no failure; expected \(code)")
        } catch let failure as AgentFailure {
            #expect(failure.code == code, "\(failure)")
        } catch { Issue.record("\(error)") }
    }

    @Test func helloTellsOfTheHost() async throws {
        try await withAgent { client, agent in
            let hello = try await client.hello(agentVersion: "v-test")
            #expect(hello.agentVersion == "v-test" && hello.pid == agent.pid && hello.root == agent.root.string)
            #expect(hello.capabilities.namespaces.contains("net") && hello.capabilities.processors > 0)
            let calibration = try await client.calibrateClock()
            #expect(abs(calibration.offsetNanoseconds) <= calibration.errorNanoseconds)
            await expectFailure(.versionMismatch) {
                _ = try await client.call(.hello(protocolVersion: 99, agentVersion: ""))
            }
        }
    }

    @Test func aDaemonOutlivesItsAgentAndIsFoundAgain() async throws {
        try await withAgent { client, agent in
            let started = try await client.startDaemon(Self.sleeper)
            #expect(started.state == .running && kill(started.pid, 0) == 0 && getsid(started.pid) == started.pid)
            await expectFailure(.alreadyExists) { try await client.startDaemon(Self.sleeper) }
            agent.kill9()
            await expectFailure(.disconnected) { _ = try await client.clock() }
            let second = try AgentProcess(root: agent.root)
            let again = AgentClient(transport: second)
            let found = try await again.daemons()
            #expect(found.map(\.pid) == [started.pid] && found.first?.state == .running)
            let stopped = try await again.stopDaemon("d1")
            #expect(stopped.state == .exited && !stopped.wanted)
            try await again.forgetDaemon("d1")
            #expect(try await again.daemons().isEmpty)
            await again.close()
            second.kill9()
        }
    }

    @Test func readinessPortAndLogAreTold() async throws {
        try await withAgent { client, _ in
            let listener = try Listener()
            await expectFailure(.portTaken) {
                try await client.startDaemon(
                    DaemonSpec(
                        name: "p", executable: "/bin/sleep", arguments: ["9"], readiness: .init(port: listener.port)))
            }
            listener.close()
            do throws(AgentFailure) {
                try await client.startDaemon(
                    DaemonSpec(
                        name: "p", executable: "/bin/sh", arguments: ["-c", "echo cannot >&2; exit 3"],
                        readiness: .init(port: listener.port, timeoutMilliseconds: 5_000)))
                Issue.record("it counts as ready")
            } catch {
                #expect(error.code == .notReady && error.message.contains("cannot") && error.message.contains("3"))
            }
            let log = try await client.readLog(daemon: "p", offset: -4)
            #expect(String(decoding: log.content.bytes, as: UTF8.self) == "not\n" && log.reachesEnd)
            await expectFailure(.spawnFailed) {
                try await client.startDaemon(DaemonSpec(name: "q", executable: "/no/such"))
            }
        }
    }

    @Test func stopKillsWhatIgnoresTheAsking() async throws {
        try await withAgent { client, _ in
            try await client.writeFile("stubborn.sh", Array("trap '' TERM; echo up; while :; do sleep 0.01; done".utf8))
            try await client.startDaemon(
                DaemonSpec(name: "s", executable: "/bin/sh", arguments: ["stubborn.sh"]))
            var text = ""
            for _ in 0..<2_000 where text.isEmpty {
                text = String(decoding: try await client.readLog(daemon: "s", offset: 0).content.bytes, as: UTF8.self)
            }
            let stopped = try await client.stopDaemon("s", grace: .milliseconds(50))
            #expect(stopped.state == .exited && stopped.exitSignal == SIGKILL)
        }
    }

    @Test func aKillIsLentAndGivenBackAfterTheAgentsDeath() async throws {
        try await withAgent { client, agent in
            let before = try await client.startDaemon(Self.sleeper)
            let fault = try await client.injectFault(
                FaultLoan(uid: "k1", kind: .processSignal(daemon: "d1", signal: SIGKILL), ttlMilliseconds: 700))
            #expect(fault.bit == true && fault.state == .active && fault.undo == .startDaemon("d1"))
            #expect(kill(before.pid, 0) != 0)
            agent.kill9()
            let second = try AgentProcess(root: agent.root)
            let again = AgentClient(transport: second)
            #expect(try await again.faults().records.map(\.state) == [.active])
            let deadline = HostClock.monotonicNanoseconds() + 10_000_000_000
            while try await again.faults().records.first?.state != .healed, HostClock.monotonicNanoseconds() < deadline
            {
                usleep(5_000)
            }
            #expect(try await again.faults().records.first?.state == .healed)
            let after = try await again.daemons()
            #expect(after.first?.state == .running && after.first?.pid != before.pid)
            let late = try await again.revertFault("k1")
            #expect(late.state == .healed && late.expired == true, "the timer undid it, not this request")
            await again.close()
            second.kill9()
        }
    }

    /// `kill -9` of the agent before the undo is on disk, between undo, timer, deed and probe, and after them all.
    @Test(arguments: [0, 1, 2, 3, 4, 6, 8, 12, 20]) func anAgentKilledInTheMiddleOfADeedLeavesALoan(
        _ milliseconds: UInt32
    ) async throws {
        try await withAgent { client, agent in
            try await client.startDaemon(Self.sleeper)
            let loan = FaultLoan(
                uid: "k", kind: .processSignal(daemon: "d1", signal: SIGKILL), ttlMilliseconds: 150)
            let request = AgentRequestEnvelope(id: 9_999, request: .faultInject(loan))
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
            #expect(try await again.faults().records.allSatisfy { $0.state == .healed })
            #expect(try await again.daemons().map(\.state) == [.running])
            await again.close()
            second.kill9()
        }
    }

    @Test func aStopIsSeenAndUndone() async throws {
        try await withAgent { client, _ in
            try await client.startDaemon(Self.sleeper)
            let loan = FaultLoan(uid: "s", kind: .processSignal(daemon: "d1", signal: SIGSTOP), ttlMilliseconds: 60_000)
            #expect(try await client.injectFault(loan).bit == true)
            #expect(try await client.daemons().first?.state == .stopped)
            await expectFailure(.alreadyExists) { _ = try await client.injectFault(loan) }
            let timer = try #require(try await client.faults().records.first?.timer)
            let healed = try await client.healAllFaults()
            #expect(healed.failures.isEmpty && healed.records.first?.expired == false)
            #expect(healed.records.map(\.state) == [.healed])
            #expect(try await client.daemons().first?.state == .running)
            #expect(ProcessTable.look(timer)?.isZombie ?? true, "the timer outlives the heal")
        }
    }

    @Test func aDeedWithoutEffectDoesNotCount() async throws {
        try await withAgent { client, _ in
            try await client.startDaemon(Self.sleeper)
            let fault = try await client.injectFault(
                FaultLoan(uid: "n", kind: .processSignal(daemon: "d1", signal: SIGWINCH), ttlMilliseconds: 60_000))
            #expect(fault.bit == false && fault.state == .healed)
            try await client.stopDaemon("d1")
            await expectFailure(.notFound) {
                _ = try await client.injectFault(
                    FaultLoan(uid: "m", kind: .processSignal(daemon: "d1", signal: SIGKILL), ttlMilliseconds: 1_000))
            }
        }
    }

    @Test func aStopOnPurposeIsNotUndone() async throws {
        try await withAgent { client, _ in
            try await client.startDaemon(Self.sleeper)
            _ = try await client.injectFault(
                FaultLoan(uid: "k", kind: .processSignal(daemon: "d1", signal: SIGKILL), ttlMilliseconds: 60_000))
            try await client.stopDaemon("d1")
            #expect(try await client.revertFault("k").state == .healed)
            #expect(try await client.daemons().first?.state == .exited)
        }
    }

    @Test func aWipeEmptiesTheStoreOnly() async throws {
        try await withAgent { client, _ in
            try await client.writeFile("store/commitlog/0", [1, 2, 3])
            try await client.writeFile("keep", [1])
            let fault = try await client.injectFault(
                FaultLoan(uid: "w", kind: .storeWipe(path: "store"), ttlMilliseconds: 60_000))
            #expect(fault.bit == true)
            #expect(try await client.listDirectory("store").isEmpty)
            #expect(try await client.readFile("keep").content.bytes == [1])
            await expectFailure(.badRequest) {
                _ = try await client.injectFault(
                    FaultLoan(uid: "r", kind: .storeWipe(path: "."), ttlMilliseconds: 1_000))
            }
        }
    }

    @Test func noPathLeadsOut() async throws {
        try await withAgent { client, agent in
            symlink("/etc", agent.root.appending("out").string)
            symlink("/etc/hostname", agent.root.appending("name").string)
            for path in ["../etc/hostname", "a/../../etc/hostname", "/etc/hostname", "out/hostname", "name"] {
                do throws(AgentFailure) {
                    _ = try await client.readFile(path)
                    Issue.record("'\(path)' was read")
                } catch { #expect(error.code == .pathEscape || error.code == .system, "\(path): \(error)") }
                do throws(AgentFailure) {
                    try await client.writeFile(path == "name" ? "out/x" : path, [1])
                    Issue.record("'\(path)' was written")
                } catch { #expect(error.code == .pathEscape || error.code == .system, "\(path): \(error)") }
            }
            try await client.removePath("out")
            #expect(access("/etc/hostname", F_OK) == 0 && access("/etc", F_OK) == 0)
            try await client.writeFile(agent.root.string + "/./inside", [7])
            #expect(try await client.readFile("inside").content.bytes == [7])
        }
    }

    @Test func programsRunWithinTheirLimits() async throws {
        try await withAgent { client, _ in
            let echo = try await client.run(RunRequest(arguments: ["cat"], standardInput: Array("hallo".utf8)))
            #expect(echo.exitCode == 0 && echo.standardOutput.bytes == Array("hallo".utf8))
            let cut = try await client.run(
                RunRequest(arguments: ["sh", "-c", "yes | head -c 100000; exit 4"], outputLimit: 10))
            #expect(cut.exitCode == 4 && cut.truncated && cut.standardOutput.bytes.count == 10)
            let late = try await client.run(RunRequest(arguments: ["sleep", "100"], timeoutMilliseconds: 50))
            #expect(late.timedOut && late.signal == SIGKILL)
            // A slow request holds no other one up.
            async let slow = client.run(RunRequest(arguments: ["sleep", "0.3"]))
            let before = HostClock.monotonicNanoseconds()
            _ = try await client.clock()
            #expect(HostClock.monotonicNanoseconds() - before < 250_000_000)
            _ = try await slow
        }
    }

    @Test func hostileFramesEndOneChannelOnly() async throws {
        try await withAgent { client, agent in
            try await client.startDaemon(Self.sleeper)
            for bytes: [UInt8] in [[0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 3, 1, 2, 3], [0, 0, 0, 2, 0x7B, 0x7D]] {
                let victim = try AgentProcess(root: agent.root)
                try await victim.send(bytes)
                var decoder = AgentFrameDecoder()
                while let piece = try await victim.receive() { decoder.feed(piece) }
                let answer = try AgentFrame.decode(AgentResponseEnvelope.self, from: #require(try decoder.next()))
                guard answer.id == 0, case .failure = answer.response else {
                    Issue.record("\(bytes) was answered by \(answer)")
                    continue
                }
                await victim.close()
                victim.kill9()
            }
            // A request it can't know is refused by id, and the channel goes on.
            let victim = try AgentProcess(root: agent.root)
            let body = Array(#"{"id":5,"request":{"launchMissiles":{}}}"#.utf8)
            try await victim.send([0, 0, 0, UInt8(body.count)] + body)
            var decoder = AgentFrameDecoder()
            decoder.feed(try #require(try await victim.receive()))
            let answer = try AgentFrame.decode(AgentResponseEnvelope.self, from: #require(try decoder.next()))
            #expect(answer.id == 5)
            await victim.close()
            victim.kill9()
            #expect(try await client.daemons().first?.state == .running)
        }
    }
}

/// A TCP listener on a free port of the loopback.
struct Listener {
    let port: UInt16
    private let descriptor: CInt

    init() throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 5) == 0 && getsockname(descriptor, $0, &size) == 0
            }
        }
        guard result else { throw AgentFailure(.system, "no port to listen on") }
        port = UInt16(bigEndian: address.sin_port)
    }

    func close() { Glibc.close(descriptor) }
}
