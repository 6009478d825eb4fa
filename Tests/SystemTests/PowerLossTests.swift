import Glibc
import Subprocess
import SystemPackage
import Testing

/// Trials that cut a host's power under load, from the command line.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct PowerLossTests {
    /// What `trial run --json` says of its rounds.
    private struct Rounds {
        var outcome: Program.Outcome
        var losses: [Int]

        init(_ outcome: Program.Outcome) {
            self.outcome = outcome
            losses = outcome.output.matches(of: /"lost"\s*:\s*(\d+)/).compactMap { Int($0.1) }
        }
    }

    private static func plan(_ name: String) -> FilePath { Program.checkout.appending("labs/trials/\(name).yaml") }

    /// A plan of the course, changed.
    private static func plan(_ name: String, in rig: Rig, _ change: (inout String) -> Void) throws -> FilePath {
        let file = try FileDescriptor.open(plan(name), .readOnly)
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = try file.closeAfter { try bytes.withUnsafeMutableBytes { try file.read(into: $0) } }
        var text = String(decoding: bytes[..<count], as: UTF8.self)
        let before = text
        change(&text)
        try #require(text != before, "the plan has changed")
        let path = rig.state.appending("plan.yaml")
        let made = try FileDescriptor.open(
            path, .writeOnly, options: [.create, .truncate], permissions: [.ownerReadWrite])
        _ = try made.closeAfter { try made.writeAll(text.utf8) }
        return path
    }

    /// Of what was synced nothing is missing; of what was not, the end of the log is, in one round of three at least.
    @Test(arguments: ["ext4", "xfs"]) func aPowerCutTakesTheUnflushedTailAndNothingElse(_ filesystem: String)
        async throws
    {
        try await Rig.with(hosts: 0) { rig in
            let up = try await rig.seatrial("hosts", "up", "2", "--filesystem", filesystem)
            try #require(up.status == 0, "\(up)")
            let sync = Rounds(
                try await rig.seatrial("trial", "run", Self.plan("power-loss-sync").string, "--rounds", "2", "--json"))
            #expect(sync.outcome.status == 0 && sync.losses == [0, 0, 0], "\(sync.outcome)")
            let async = Rounds(
                try await rig.seatrial("trial", "run", Self.plan("power-loss-async").string, "--rounds", "3", "--json"))
            #expect(async.outcome.status == 0, "\(async.outcome)")
            #expect(async.losses.contains { $0 > 0 }, "a power cut that takes nothing proves nothing: \(async.outcome)")
        }
    }

    /// The experiment that breaks the promise: what is acknowledged before it is flushed is held to SYNC's word.
    @Test func aPromiseThatAnAsynchronousFlushCannotKeepIsJudgedLost() async throws {
        try await Rig.with(hosts: 2) { rig in
            let plan = try Self.plan("power-loss-sync", in: rig) {
                $0 = $0.replacing("mode: m1-sync", with: "mode: m1-async")
            }
            let run = try await rig.seatrial("trial", "run", plan.string)
            #expect(run.status == 1 && run.output.contains("fail"), "\(run)")
            let check = try await rig.seatrial("check", "last")
            #expect(check.status == 1, "\(check)")
            #expect(check.output.contains("acknowledged and in no replica's log after drain and scan"), "\(check)")
        }
    }

    /// Synchronous double write: what the master lost with its power is on its slave, and served again; while the slave is
    /// gone, answers are weak.
    @Test func doubleWriteLosesNothing() async throws {
        try await Rig.with(hosts: 7) { rig in
            for plan in ["m4-master-power-loss", "m4-slave-kill"] {
                let run = Rounds(try await rig.seatrial("trial", "run", Self.plan(plan).string, "--json"))
                #expect(run.outcome.status == 0 && run.losses == [0, 0], "\(plan): \(run.outcome)")
            }
            let weak = try await Program.run(
                at: "/bin/sh", ["-c", "grep -l slaveNotAvailable \(rig.state)/runs/*m4-slave-kill*/history.jsonl"])
            #expect(weak.status == 0, "nothing was weak without the slave")
        }
    }

    /// Whoever forgot that a host is off is told so, and not that something may be wrong with its network.
    @Test func aHostThatIsOffIsNamedAtOnce() async throws {
        try await Rig.with(hosts: 2) { rig in
            let off = try await rig.seatrial("hosts", "power", "off", "n2")
            try #require(off.status == 0, "\(off)")
            for words in [["deploy", "m1-sync"], ["trial", "run", Self.plan("power-loss-sync").string]] {
                let start = ContinuousClock.now
                let outcome = try await rig.seatrial(words)
                #expect(outcome.status == 3, "\(outcome)")
                #expect(outcome.errors.contains("host 'n2' is off: 'seatrial hosts power on n2'"), "\(outcome)")
                #expect(start.duration(to: .now) < .seconds(8), "waited for a host that is known to be off")
            }
        }
    }

    /// A host that only falls silent: its processes are killed, its disk is unmounted as it should be, and all that was not
    /// synced is written back. Nothing is lost then, and nothing proved.
    @Test func aCutThatTakesNothingFromTheDiskProvesNothing() async throws {
        try await Rig.with(hosts: 2) { rig in
            let program = Program.path("seatrial")
            let inventory = rig.state.appending("inventory/gentle.yaml")
            let edited = try await Program.run(
                at: "/bin/sh",
                [
                    "-ec",
                    """
                    cat > \(rig.state)/gentle.sh <<'END'
                    pid=$(\(program) hosts list --json --state \(rig.state) | tr -d '\\n' | tr '{' '\\n' \\
                        | grep "\\"name\\" *: *\\"$1\\"" | sed 's/.*"pid" *: *\\([0-9]*\\).*/\\1/')
                    kill -9 $pid
                    # Until its disk is unmounted, which is what brings all that was written to it.
                    for turn in $(seq 500); do
                        losetup -j \(rig.state)/hosts/disks/$1.img | grep -q . || exit 0
                        sleep 0.02
                    done
                    exit 1
                    END
                    sed "s#seatrial_power_off: .*power off \\(n[0-9]*\\) .*#seatrial_power_off: 'sh \(rig.state)/gentle.sh \\1 {seconds}'#" \
                        \(rig.state)/inventory/local.yaml > \(inventory)
                    grep -c gentle.sh \(inventory)
                    """,
                ])
            try #require(edited.status == 0 && edited.output == "2\n", "\(edited)")
            let run = try await rig.seatrial(
                "trial", "run", Self.plan("power-loss-sync").string, "-i", inventory.string)
            #expect(run.status == 2 && run.output.contains("inconclusive"), "\(run)")
            let check = try await rig.seatrial("check", "last")
            #expect(check.status == 2, "\(check)")
            // Lines are wrapped where they are long.
            let words = check.output.split { $0 == " " || $0 == "\n" }.joined(separator: " ")
            #expect(words.contains("was not seen to bite (what was written right before"), "\(check)")
        }
    }

    /// The rounds are held to what the plan must show, and one that breaks off costs no other its line.
    @Test func roundsAreJudgedTogether() async throws {
        try await Rig.with(hosts: 2) { rig in
            // Acknowledged only when synced: no round can show the loss that is asked for.
            let plan = try Self.plan("power-loss-async", in: rig) {
                $0 = $0.replacing("mode: m1-async", with: "mode: m1-sync")
            }
            let rounds = Rounds(try await rig.seatrial("trial", "run", plan.string, "--rounds", "2", "--json"))
            #expect(rounds.outcome.status == 2 && rounds.losses == [0, 0, 0], "\(rounds.outcome)")
            #expect(rounds.outcome.output.contains(/"not_shown"\s*:\s*\[\s*"loss"\s*\]/), "\(rounds.outcome)")
            // The programs to deploy are gone after the first round.
            let programs = rig.state.appending("programs")
            let copied = try await Program.run(
                at: "/bin/sh",
                [
                    "-ec",
                    "mkdir \(programs); for p in mqnamesrv mqbroker mqadmin seatrial-agent; do cp \(Program.path("$p")) \(programs); done",
                ])
            try #require(copied.status == 0, "\(copied)")
            async let broken = rig.seatrial(
                "trial", "run", Self.plan("kill-sync").string, "--rounds", "4", "--programs", programs.string)
            let runs = rig.state.appending("runs")
            let removed = try await Program.run(
                at: "/bin/sh",
                [
                    "-c",
                    "for i in $(seq 600); do ls \(runs)/*kill-sync*/verdict.json >/dev/null 2>&1 && break; sleep 0.05; done; rm -r \(programs)",
                ])
            #expect(removed.status == 0, "\(removed)")
            let table = try await broken
            #expect(table.status == 3, "\(table)")
            #expect(table.output.contains("of 4 rounds") && table.output.contains("the round broke off"), "\(table)")
            #expect(table.output.contains("1 pass") || table.output.contains("2 pass"), "\(table)")
        }
    }

    /// F10: refused while there is no space, read all the same, going on by itself afterwards, and nothing lost.
    @Test(arguments: ["ext4", "xfs"]) func aFullDiskLosesNothingAndRecoversByItself(_ filesystem: String) async throws {
        try await Rig.with(hosts: 0) { rig in
            let up = try await rig.seatrial("hosts", "up", "2", "--filesystem", filesystem, "--disk", "512")
            try #require(up.status == 0, "\(up)")
            let run = Rounds(try await rig.seatrial("trial", "run", Self.plan("disk-full").string, "--json"))
            #expect(run.outcome.status == 0 && run.losses == [0, 0], "\(run.outcome)")
            let status = try await rig.seatrial("status")
            #expect(status.status == 0, "\(status)")
        }
    }

    /// The controller dies while a host is off: the loan ends by itself, and the host comes back.
    @Test func aHostComesBackWithoutItsController() async throws {
        try await Rig.with(hosts: 2) { rig in
            let plan = try Self.plan("power-loss-async", in: rig) {
                $0 = $0.replacing("ttl_seconds: 30", with: "ttl_seconds: 6")
                    .replacing("{phase: fault, seconds: 0.2}", with: "{phase: fault, seconds: 5}")
            }
            let end = try await Subprocess.run(
                .path(Program.path("seatrial")),
                arguments: Arguments(["trial", "run", plan.string, "--state", rig.state.string]),
                workingDirectory: Program.checkout, input: .none, output: .discarded, error: .discarded
            ) { execution in
                #expect(try await Self.isSaid(of: rig, " off", within: .seconds(60)), "no host went off")
                try execution.send(signal: .kill)
            }.terminationStatus
            #expect(end == .signaled(9))
            #expect(try await Self.isSaid(of: rig, " off", within: .zero), "it came back before its time")
            #expect(try await Self.isSaid(of: rig, nil, within: .seconds(30)), "it is not up again")
            let destroy = try await rig.seatrial("destroy")
            #expect(destroy.status == 0, "\(destroy)")
        }
    }

    /// Whether `hosts list` says a word in time, or of every host that it is up: it has power again before it answers.
    private static func isSaid(of rig: Rig, _ word: String?, within time: Duration) async throws -> Bool {
        let deadline = ContinuousClock.now + time
        while true {
            let list = try await rig.seatrial("hosts", "list")
            let isDown = list.output.contains(" off") || list.output.contains(" down")
            if word.map(list.output.contains) ?? (!isDown && list.status == 0) { return true }
            if ContinuousClock.now >= deadline { return false }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// What a consumer had before the cut would not be missed.
    @Test func aPowerLossNeedsReadersThatWait() async throws {
        try await Rig.with(hosts: 2) { rig in
            let plan = try Self.plan("power-loss-sync", in: rig) { $0 = $0.replacing(", reading: drain", with: "") }
            let run = try await rig.seatrial("trial", "run", plan.string)
            #expect(run.status == 64 && run.errors.contains("needs workload.reading: drain"), "\(run)")
            let full = try Self.plan("disk-full", in: rig) {
                $0 = $0.replacing("must_show: [", with: "must_show: [loss, ")
            }
            let forbidden = try await rig.seatrial("trial", "run", full.string)
            #expect(forbidden.status == 64 && forbidden.errors.contains("'lost: none' forbids"), "\(forbidden)")
        }
    }

    /// Words, wrong files and hosts whose power nobody may cut.
    @Test func mistakesAreNamedBeforeAHostIsTouched() async throws {
        try await Rig.with(hosts: 0) { rig in
            let absent = try await rig.seatrial("trial", "run", "labs/trials/none.yaml")
            #expect(absent.status != 0 && absent.errors.contains("labs/trials/none.yaml"), "\(absent)")
            let typo = try Self.plan("power-loss-sync", in: rig) { $0 = $0.replacing("workload:", with: "worklod:") }
            let unknown = try await rig.seatrial("trial", "run", typo.string)
            #expect(unknown.status != 0 && unknown.errors.contains("did you mean 'workload'"), "\(unknown)")
            let inventory = rig.state.appending("inventory.yaml")
            let file = try FileDescriptor.open(
                inventory, .writeOnly, options: [.create, .truncate], permissions: [.ownerReadWrite])
            _ = try file.closeAfter {
                try file.writeAll(
                    """
                    all:
                      children:
                        nameservers: {hosts: {a: {ansible_host: 192.0.2.1}}}
                        brokers: {hosts: {b: {ansible_host: 192.0.2.2}}}

                    """.utf8)
            }
            let forbidden = try await rig.seatrial(
                "trial", "run", Self.plan("power-loss-sync").string, "-i", inventory.string)
            #expect(forbidden.status != 0, "\(forbidden)")
            #expect(forbidden.errors.contains("host 'b' does not allow it: add 'power'"), "\(forbidden)")
        }
    }
}
