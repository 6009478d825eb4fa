import Glibc
import Subprocess
import SystemPackage
import Testing

/// Networks that are cut on real hosts, from the command line, and faults that nobody is left to heal.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct NetworkFaultTests {
    /// A shell on this machine; what it says is trimmed.
    private static func shell(_ script: String) async throws -> (status: Int32, output: String) {
        let result = try await Program.run(at: "/bin/bash", ["-c", script])
        return (result.status, result.output.split(separator: "\n").joined(separator: "\n"))
    }

    /// Address of a host, and the process that its namespaces hang on.
    private static func host(_ name: String, of rig: Rig) async throws -> (address: String, pid: String) {
        let list = try await rig.seatrial("hosts", "list")
        for line in list.output.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if words.count > 3, words[0] == name { return (words[1], words[3]) }
        }
        throw Errno.noSuchFileOrDirectory
    }

    /// Whether a port answers this machine, as it would a client.
    private static func answers(_ address: String, _ port: Int) async throws -> Bool {
        try await shell("timeout 0.5 bash -c '</dev/tcp/\(address)/\(port)' 2>/dev/null").status == 0
    }

    private static func comesTrue(within time: Duration, _ condition: () async throws -> Bool) async throws -> Bool {
        let deadline = ContinuousClock.now + time
        while ContinuousClock.now < deadline {
            if try await condition() { return true }
            try await Task.sleep(for: .milliseconds(20))
        }
        return false
    }

    /// How long after its time a fault may be seen to be gone: a look from here, on a machine that does other things.
    private static let lateness = Duration.seconds(3)

    @Test func aPartitionBitesHealsAndLeavesTheControllerAlone() async throws {
        try await Rig.with(hosts: 5) { rig in
            let deployed = try await rig.seatrial("deploy", "m2-async")
            try #require(deployed.status == 0, "\(deployed)")
            let dry = try await rig.seatrial(
                "fault", "apply", "isolate", "one:masters", "--ttl", "60", "--seed", "3", "--dry-run")
            #expect(dry.status == 0 && dry.output.contains("counter drop") && dry.output.contains("n1:"), "\(dry)")
            let before = try await rig.seatrial("fault", "list")
            #expect(before.status == 0 && before.output.contains("no fault is remembered"), "\(before)")

            let apply = try await rig.seatrial(
                "fault", "apply", "halves", "n1,broker-a", "--ttl", "60", "--clients", "far")
            #expect(apply.status == 0, "\(apply)")
            let cut = try await Self.host("n3", of: rig)
            let other = try await Self.host("n4", of: rig)
            // broker-a's host and broker-b's do not hear each other, in either direction; the first two still do.
            func hears(_ host: (address: String, pid: String), _ peer: String) async throws -> Bool {
                try await Self.shell("timeout 0.5 nsenter -t \(host.pid) -n bash -c '</dev/tcp/\(peer)/22'").status == 0
            }
            let first = try await Self.host("n1", of: rig)
            #expect(try await !hears(cut, other.address))
            #expect(try await !hears(other, cut.address))
            #expect(try await hears(cut, first.address))
            #expect(try await !Self.answers(cut.address, 10911))
            #expect(try await Self.answers(other.address, 10911))
            let status = try await rig.seatrial("status")
            #expect(status.status == 0 && status.output.contains("NETWORK"), "\(status)")
            #expect(status.output.matches(of: /cut off from \d/).count == 5, "\(status)")

            let heal = try await rig.seatrial("fault", "heal", "--all")
            #expect(heal.status == 0 && heal.output.matches(of: /healed/).count >= 5, "\(heal)")
            #expect(try await hears(cut, other.address))
            #expect(try await Self.answers(cut.address, 10911))
            let again = try await rig.seatrial("fault", "heal", "--all")
            #expect(again.status == 0, "\(again)")
            let destroyed = try await rig.seatrial("destroy")
            #expect(destroyed.status == 0, "\(destroyed)")
        }
    }

    /// What is asked for in vain is named, and leaves nothing.
    @Test func whatCannotBeCutIsRefused() async throws {
        try await Rig.with(hosts: 3) { rig in
            let deployed = try await rig.seatrial("deploy", "m1-async")
            try #require(deployed.status == 0, "\(deployed)")
            let rows: [([String], String)] = [
                (["isolate", "broker-z", "--ttl", "9"], "no daemon, host or pool of that name"),
                (["isolate", "--ttl", "9"], "isolate needs a target"),
                (["sever", "broker-a", "--ttl", "9"], "kind 'sever' is none of"),
                (["isolate", "broker-a", "--ttl", "0"], "--ttl 0.0 is out of range"),
                (["ring", "--ttl", "9"], "a ring needs 4 hosts"),
                (["power-loss", "broker-a", "--ttl", "9"], "seatrial hosts power off"),
                (["isolate", "broker-a", "--ttl", "9", "--answer", "sulk"], "none of drop, reject"),
            ]
            for (words, text) in rows {
                let refused = try await rig.seatrial(["fault", "apply"] + words)
                #expect(refused.status == 64 && refused.errors.contains(text), "\(words): \(refused)")
            }
            let unknown = try await rig.seatrial("fault", "revert", "nobody-1")
            #expect(unknown.status == 64 && unknown.errors.contains("no host knows a fault"), "\(unknown)")
            // A host without the program says so before anything is done.
            let host = try await Self.host("n2", of: rig)
            let hidden = try await Self.shell("nsenter -t \(host.pid) -m mount --bind /dev/null \"$(command -v nft)\"")
            try #require(hidden.status == 0)
            let lacking = try await rig.seatrial("fault", "apply", "isolate", "broker-a", "--ttl", "9")
            #expect(lacking.status == 64 && lacking.errors.contains("install nftables"), "\(lacking)")
            let list = try await rig.seatrial("fault", "list")
            #expect(list.output.contains("no fault is remembered"), "\(list)")
            // One that says yes and does nothing is seen through, and what the others did is undone.
            let idle = try await Self.shell(
                """
                # What is hidden is no program, and not found by name.
                nsenter -t \(host.pid) -m -p sh -ec 'umount "$0"; printf "#!/bin/sh\\n" >/run/nft
                chmod 755 /run/nft
                mount --bind /run/nft "$0"' "$(command -v nft)"
                """)
            try #require(idle.status == 0)
            let idling = try await rig.seatrial("fault", "apply", "isolate", "broker-a", "--ttl", "60")
            #expect(idling.status == 3, "\(idling)")
            #expect(idling.errors.contains("host 'n2': 0 of 4 rules are in the kernel"), "\(idling)")
            #expect(idling.errors.contains("nothing of it is left"), "\(idling)")
            let after = try await rig.seatrial("fault", "list")
            #expect(after.status == 0 && !after.output.contains("active"), "\(after)")
            let destroyed = try await rig.seatrial("destroy")
            #expect(destroyed.status == 0, "\(destroyed)")
        }
    }

    /// Whoever dies: a fault is gone when its time is over.
    enum Death: String, CaseIterable, CustomTestStringConvertible {
        /// The command that lent it has ended, and nobody is connected.
        case commandEnded
        case controllerKilled, agentsKilled, connectionsCut, powerCut
        var testDescription: String { rawValue }
    }

    @Test(arguments: Death.allCases) func everyFaultEndsWhoeverDies(_ death: Death) async throws {
        try await Rig.with(hosts: 3) { rig in
            let ttl = 6
            let victim: (address: String, pid: String)
            if death == .commandEnded || death == .powerCut {
                let deployed = try await rig.seatrial("deploy", "m1-async")
                try #require(deployed.status == 0, "\(deployed)")
                victim = try await Self.host("n2", of: rig)
                let apply = try await rig.seatrial("fault", "apply", "isolate", "broker-a", "--ttl", "\(ttl)")
                #expect(apply.status == 0, "\(apply)")
                #expect(try await !Self.answers(victim.address, 10911))
                if death == .powerCut {
                    for words in [["off", "n2"], ["on", "n2"]] {
                        let power = try await rig.seatrial(["hosts", "power"] + words)
                        #expect(power.status == 0, "\(power)")
                    }
                }
            } else {
                victim = try await Self.host("n2", of: rig)
                try await dieInATrial(death, victim, ttl, rig)
            }
            // After a boot nothing listens there but sshd, and another host's rules keep it out until their time is over.
            let neighbour = try await Self.host("n1", of: rig).pid
            let isBack = try await Self.comesTrue(within: .seconds(ttl) + Self.lateness) {
                death == .powerCut
                    ? try await Self.shell(
                        "timeout 0.5 nsenter -t \(neighbour) -n bash -c '</dev/tcp/\(victim.address)/22'"
                    ).status == 0 : try await Self.answers(victim.address, 10911)
            }
            #expect(isBack, "it is still cut off")
            for host in ["n1", "n2"] {
                let pid = try await Self.host(host, of: rig).pid
                let deadline = ContinuousClock.now + .seconds(ttl) + Self.lateness
                while try await Self.shell("nsenter -t \(pid) -n nft list tables").output.contains("seatrial"),
                    ContinuousClock.now < deadline
                { try await Task.sleep(for: .milliseconds(50)) }
                let tables = try await Self.shell("nsenter -t \(pid) -n nft list tables").output
                #expect(!tables.contains("seatrial"), "\(host): \(tables)")
            }
            let list = try await rig.seatrial("fault", "list")
            #expect(list.status == 0 && list.output.contains("healed"), "\(list)")
            #expect(!list.output.contains("active") && !list.output.contains("stuck"), "\(list)")
            let destroyed = try await rig.seatrial("destroy")
            #expect(destroyed.status == 0, "\(destroyed)")
        }
    }

    /// Kills in the middle of a run's fault, and returns when the controller has ended.
    private func dieInATrial(
        _ death: Death, _ victim: (address: String, pid: String), _ ttl: Int, _ rig: Rig
    ) async throws {
        let path = rig.state.appending("plan.yaml")
        let file = try FileDescriptor.open(path, .writeOnly, options: [.create], permissions: [.ownerReadWrite])
        _ = try file.closeAfter {
            try file.writeAll(
                """
                mode: m1-async
                topic: {name: cut, queues: 4}
                workload: {producers: 1, rate_per_second: 50, body_bytes: 100, consumers: 1}
                schedule:
                  - {phase: baseline, seconds: 0.5}
                  - fault: {id: cut, kind: isolate, target: broker-a, ttl_seconds: \(ttl)}
                  - {phase: fault, seconds: \(ttl - 1)}
                  - heal: cut
                drain_timeout_seconds: 5
                promises: {lost: none}

                """.utf8)
        }
        let end = try await Subprocess.run(
            .path(Program.path("seatrial")),
            arguments: Arguments(["trial", "run", path.string, "--state", rig.state.string]),
            workingDirectory: Program.checkout, input: .none, output: .discarded, error: .discarded
        ) { execution in
            let deadline = ContinuousClock.now + .seconds(60)
            while try await !Self.shell("nsenter -t \(victim.pid) -n nft list tables").output.contains("seatrial"),
                ContinuousClock.now < deadline
            { try await Task.sleep(for: .milliseconds(20)) }
            try await Task.sleep(for: .milliseconds(500))
            #expect(try await !Self.answers(victim.address, 10911))
            // Only what is a host's, by its own number: the timers are programs of the same name.
            switch death {
            case .agentsKilled:
                #expect(try await Self.kill("seatrial-agent serve", in: ["n1", "n2"], of: rig) == 2)
            case .connectionsCut:
                #expect(try await Self.kill("sshd: root", in: ["n1", "n2"], of: rig) >= 2)
            default: try execution.send(signal: .kill)
            }
        }.terminationStatus
        #expect(!end.isSuccess)
    }

    /// Kills the processes of hosts whose command line has these words.
    /// - Returns: how many.
    private static func kill(_ words: String, in hosts: [String], of rig: Rig) async throws -> Int {
        var count = 0
        for name in hosts {
            let pid = try await host(name, of: rig).pid
            let killed = try await shell(
                """
                nsenter -t \(pid) -p -m bash -c '
                for p in /proc/[0-9]*; do
                  line=$(tr "\\\\0" " " <$p/cmdline 2>/dev/null)
                  case "$line" in *"\(words)"*) [ "${p#/proc/}" = $$ ] || { kill -9 "${p#/proc/}" && echo killed; } ;; esac
                done'
                """)
            count += killed.output.split(separator: "\n").count { $0 == "killed" }
        }
        return count
    }

    /// F8 and F9 where nobody takes the master's place: cut off, or stopped, and none is lost.
    @Test func aMasterThatIsCutOffOrStoppedLosesNothing() async throws {
        try await Rig.with(hosts: 7) { rig in
            for plan in ["m3-master-cut", "m4-master-cut", "m3-master-pause", "m4-master-pause"] {
                let run = try await rig.seatrial("trial", "run", "labs/trials/\(plan).yaml", "--seed", "11", "--json")
                #expect(run.status == 0, "\(plan): \(run)")
            }
            let status = try await rig.seatrial("status")
            #expect(status.status == 0, "\(status)")
        }
    }
}
