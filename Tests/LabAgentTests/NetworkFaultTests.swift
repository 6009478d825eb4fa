import Glibc
import SystemPackage
import Testing

@testable import LabAgent

/// Packets that are really cut off: the agent is in a network of its own, with a peer in another one at the end of a cable.
@Suite(.serialized) struct NetworkFaultTests {
    static let peer = "198.18.255.2"
    static let port: UInt16 = 7

    /// Its `sshd` would have said so.
    static let network = """
        export SSH_CONNECTION='198.18.255.9 40000 198.18.255.1 22'
        ip link set lo up
        """

    private func withPeer(_ body: (AgentClient, AgentProcess) async throws -> Void) async throws {
        signal(SIGPIPE, SIG_IGN)
        let agent = try AgentProcess(root: AgentProcess.newRoot(), network: Self.network)
        let client = AgentClient(transport: agent)
        let outcome: Result<Void, any Error>
        do {
            let host = try await client.startDaemon(
                DaemonSpec(
                    name: "peer", executable: "/usr/bin/unshare", arguments: ["--net", "sleep", "600"]))
            // From the moment on at which it has a network of its own.
            try await Self.shell(
                client,
                """
                until [ "$(readlink /proc/\(host.pid)/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
                ip link add eth0 type veth peer name eth0 netns /proc/\(host.pid)/ns/net
                ip addr add 198.18.255.1/24 dev eth0
                ip link set eth0 up
                nsenter --net=/proc/\(host.pid)/ns/net sh -ec 'ip link set lo up; ip addr add \(Self.peer)/24 dev eth0; ip link set eth0 up'
                """)
            try await client.startDaemon(
                DaemonSpec(
                    name: "service", executable: "/usr/bin/nsenter",
                    arguments: [
                        "--net=/proc/\(host.pid)/ns/net", "python3", "-c",
                        """
                        import socket
                        s = socket.create_server(('\(Self.peer)', \(Self.port)))
                        while True: s.accept()[0].close()
                        """,
                    ]))
            try await wait { try await Self.answers(client, port: Self.port) == true }
            try await body(client, agent)
            outcome = .success(())
        } catch { outcome = .failure(error) }
        // Whoever serves the root now, if the first one was killed.
        let last = try AgentProcess(root: agent.root, network: Self.network)
        let cleaner = AgentClient(transport: last)
        _ = try? await cleaner.destroy()
        await cleaner.close()
        last.kill9()
        await client.close()
        agent.kill9()
        try outcome.get()
    }

    private static func shell(_ client: AgentClient, _ script: String) async throws {
        let result = try await client.run(
            RunRequest(arguments: ["sh", "-ec", script], timeoutMilliseconds: 20_000))
        try #require(
            result.exitCode == 0, "\(String(decoding: result.standardError.bytes, as: UTF8.self))")
    }

    private static func output(_ client: AgentClient, _ words: String...) async throws -> String {
        let result = try await client.run(RunRequest(arguments: words))
        return String(decoding: result.standardOutput.bytes, as: UTF8.self)
    }

    private static func answers(_ client: AgentClient, port: UInt16? = nil) async throws -> Bool {
        try await client.probeNetwork([NetworkProbe(address: peer, port: port)], milliseconds: 200)[0]
            .isAnswered
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

    private static func loan(
        _ rules: [NetworkRule], _ answer: NetworkFault.Answer = .drop, probes: [NetworkProbe]? = nil,
        ttlMilliseconds: Int64 = 60_000
    ) -> FaultLoan {
        FaultLoan(
            uid: "cut-1",
            kind: .network(
                NetworkFault(answer: answer, rules: rules, probes: probes ?? [NetworkProbe(address: peer)])),
            ttlMilliseconds: ttlMilliseconds)
    }

    static let whole: [(NetworkRule.Direction, NetworkFault.Answer, NetworkAnswer)] = [
        (.incoming, .drop, .silent), (.outgoing, .reject, .refused),
    ]

    @Test(arguments: whole.indices) func whoIsCutOffIsSilentAndAnswersAgain(_ place: Int) async throws {
        let (direction, answer, expected) = Self.whole[place]
        try await withPeer { client, agent in
            let rule = NetworkRule(direction, peer: Self.peer)
            let fault = try await client.injectFault(Self.loan([rule], answer))
            #expect(fault.bit == true && fault.state == .active, "\(fault)")
            #expect(fault.message == "no answer from \(Self.peer)")
            #expect(
                fault.undo == .removeTable(NetworkScript.table(uid: "cut-1", root: agent.root.string)))
            let probes = [
                NetworkProbe(address: Self.peer), NetworkProbe(address: Self.peer, port: Self.port),
            ]
            let seen = try await client.probeNetwork(probes, milliseconds: 100)
            #expect(seen[1] == expected && !seen[0].isAnswered, "\(seen)")

            let healed = try await client.revertFault("cut-1")
            #expect(
                healed.state == .healed && healed.expired == false && healed.unanswered == nil, "\(healed)")
            #expect(
                healed.message?.contains("packets were cut off; its peer answers again") == true, "\(healed)")
            #expect(healed.message?.hasPrefix("0 ") == false, "nothing met the rules: \(healed)")
            #expect(try await client.probeNetwork(probes, milliseconds: 200).allSatisfy(\.isAnswered))
            #expect(try await !Self.output(client, "nft", "list", "tables").contains("seatrial"))
        }
    }

    /// Only a port, and only what a connection of ours to it gets back: all else goes on.
    @Test func aPortIsCutAndNothingElse() async throws {
        try await withPeer { client, _ in
            let rule = NetworkRule(.incoming, peer: Self.peer, ports: .remote([Self.port]))
            let fault = try await client.injectFault(
                Self.loan([rule], probes: [NetworkProbe(address: Self.peer, port: Self.port)]))
            #expect(fault.bit == true, "\(fault)")
            #expect(try await Self.answers(client))
            #expect(try await !Self.answers(client, port: Self.port))
            let healed = try await client.healAllFaults()
            #expect(healed.records.map(\.state) == [.healed] && healed.failures.isEmpty)
            #expect(try await Self.answers(client, port: Self.port))
        }
    }

    /// `kill -9` of the agent at some moment of the deed: no rule outlives its time.
    @Test(arguments: [0, 1, 2, 4, 6, 8, 12, 20, 40, 80]) func noRuleOutlivesItsTime(
        _ milliseconds: UInt32
    ) async throws {
        try await withPeer { client, agent in
            let pid = agent.pid
            let loan = Self.loan([NetworkRule(.incoming, peer: Self.peer)], ttlMilliseconds: 400)
            // In the same network as the first, to look on when that one is dead.
            let observer = try AgentProcess(
                root: AgentProcess.newRoot(), network: "exec nsenter --net=/proc/\(pid)/ns/net \"$@\"")
            let other = AgentClient(transport: observer)
            _ = try await other.hello(agentVersion: "")
            try await agent.send(
                AgentFrame.encode(AgentRequestEnvelope(id: 9_999, request: .faultInject(loan))))
            usleep(milliseconds * 1_000)
            agent.kill9()
            // Nobody serves that root any more: only its timer is left. Killed right before it started that one, the agent
            // had done no deed either: the undo stays noted for the next one, and there is nothing to take back.
            let path = agent.root.appending("faults/cut-1.json").string
            let killed = ContinuousClock.now
            try await wait {
                guard access(path, F_OK) == 0 else { return true }
                let text = try await Self.output(other, "cat", path)
                if text.contains("\"state\":\"healed\"") { return true }
                return text.contains("\"state\":\"armed\"") && killed.duration(to: .now) > .seconds(3)
            }
            #expect(try await !Self.output(other, "nft", "list", "tables").contains("seatrial"))
            #expect(try await Self.answers(other))
            _ = try await other.destroy()
            await other.close()
            observer.kill9()
        }
    }

    /// A plan that would cut the controller off is refused, and nothing is written.
    @Test func theControllersOwnConnectionIsNotCut() async throws {
        try await withPeer { client, _ in
            #expect(try await client.hello(agentVersion: "").sshPath?.clientAddress == "198.18.255.9")
            for ports in [NetworkRule.Ports.all, .local([22]), .remote([40000])] {
                do throws(AgentFailure) {
                    _ = try await client.injectFault(
                        Self.loan(
                            [
                                NetworkRule(.incoming, peer: Self.peer),
                                NetworkRule(.outgoing, peer: "198.18.255.9", ports: ports),
                            ]))
                    Issue.record("\(ports) was cut")
                } catch {
                    #expect(
                        error.code == .badRequest && error.message.contains("own SSH connection"), "\(error)")
                }
            }
            #expect(try await client.faults() == FaultSweep(records: [], failures: []))
            #expect(try await Self.answers(client))
            // Its other ports are free to be cut off.
            let fault = try await client.injectFault(
                Self.loan([
                    NetworkRule(.incoming, peer: Self.peer),
                    NetworkRule(.incoming, peer: "198.18.255.9", ports: .local([10911])),
                ]))
            #expect(fault.bit == true)
        }
    }

    /// Tables of which no loan tells: of this root, of another release, and of others.
    @Test func strayTablesAreRemovedAndOthersLeftAlone() async throws {
        try await withPeer { client, agent in
            let own = NetworkScript.table(uid: "gone", root: agent.root.string)
            let older = own.replacing("_v1_", with: "_v0_").replacing("gone", with: "old")
            let unknown = "seatrial_unheard-of"
            let others = [NetworkScript.table(uid: "x", root: "/srv/other"), "filter", "my_seatrial"]
            for table in [own, older, unknown] + others {
                try await Self.shell(client, "nft add table inet \(table)")
            }
            let open = try await client.injectFault(Self.loan([NetworkRule(.incoming, peer: Self.peer)]))
            #expect(open.bit == true)
            // The next agent's start removes this root's, of whatever version; the open loan's stays.
            let next = try AgentProcess(
                root: agent.root, network: "exec nsenter --net=/proc/\(agent.pid)/ns/net \"$@\"")
            let again = AgentClient(transport: next)
            #expect(try await again.hello(agentVersion: "").troubles.isEmpty)
            let after = try await Self.output(again, "nft", "list", "tables")
            #expect(!after.contains(own) && !after.contains(older), "\(after)")
            #expect(
                ([unknown] + others).allSatisfy(after.contains) && after.contains("_cut-1"), "\(after)")
            #expect(try await again.faults().records == [open])
            // The kill switch removes another release's, too, and never another root's or a stranger's.
            #expect(try await again.healAllFaults().failures.isEmpty)
            let last = try await Self.output(again, "nft", "list", "tables")
            #expect(!last.contains(unknown) && !last.contains("_cut-1"), "\(last)")
            #expect(others.allSatisfy(last.contains), "\(last)")
            await again.close()
            next.kill9()
        }
    }

    /// A boot leaves no rule: the next agent knows that the fault is over, and that nobody healed it.
    @Test func aBootEndsTheFault() async throws {
        try await withPeer { client, agent in
            let fault = try await client.injectFault(Self.loan([NetworkRule(.incoming, peer: Self.peer)]))
            guard case .removeTable(let table) = fault.undo, let timer = fault.timer else {
                Issue.record("\(fault)")
                return
            }
            try await Self.shell(client, "nft delete table inet \(table)")
            ProcessTable.signal(timer, SIGKILL)
            try await wait { ProcessTable.look(timer)?.isZombie ?? true }
            let next = try AgentProcess(
                root: agent.root, network: "exec nsenter --net=/proc/\(agent.pid)/ns/net \"$@\"")
            let again = AgentClient(transport: next)
            let record = try #require(try await again.faults().records.first)
            #expect(record.state == .healed && record.expired == true, "\(record)")
            #expect(record.message?.contains("its rules were gone before") == true, "\(record)")
            await again.close()
            next.kill9()
        }
    }

    /// Peers that are silent for another reason: the rules are gone, and that is told apart.
    @Test func whoDoesNotAnswerAfterTheHealIsNamed() async throws {
        try await withPeer { client, _ in
            let fault = try await client.injectFault(Self.loan([NetworkRule(.incoming, peer: Self.peer)]))
            #expect(fault.bit == true)
            try await Self.shell(client, "ip link set eth0 down")
            let healed = try await client.revertFault("cut-1")
            #expect(
                healed.state == .healed && healed.unanswered == [NetworkProbe(address: Self.peer)],
                "\(healed)")
            #expect(healed.message?.contains("no answer comes from \(Self.peer)") == true, "\(healed)")
        }
    }
}
