import Glibc
import Subprocess
import SystemPackage
import Testing

/// A group that changes its master, with its etcd, on real hosts from the command line.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct GroupDeploymentTests {
    /// The processes on which the namespaces of hosts hang, by name.
    private static func processes(of rig: Rig) async throws -> [String: String] {
        let list = try await rig.seatrial("hosts", "list")
        var found: [String: String] = [:]
        for line in list.output.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            // The first line has names for numbers.
            if words.count > 3, Int32(words[3]) != nil { found[words[0]] = words[3] }
        }
        return found
    }

    /// Hides a host's own etcd.
    private static func hideEtcd(on process: String) async throws {
        let hidden = try await Program.run(
            at: "/bin/sh", ["-c", "nsenter -t \(process) -m mount --bind /dev/null \"$(command -v etcd)\""])
        try #require(hidden.status == 0, "\(hidden)")
    }

    /// The members of etcd that run on a rig's hosts, and on no others of this machine.
    private static func etcd(on rig: Rig) async throws -> String {
        let looks = try await processes(of: rig).values.map { "pgrep --ns \($0) --nslist pid -f '/etcd.yaml'" }
        return try await Program.run(at: "/bin/sh", ["-c", looks.joined(separator: "; ")]).output
    }

    /// With an etcd of three, and of one that this machine has to send; `status` knows who is what, and nothing stays.
    @Test func aGroupIsDeployedShownAndRemoved() async throws {
        try await Rig.with(hosts: 8) { rig in
            let deployed = try await rig.seatrial("deploy", "m6-sync")
            try #require(deployed.status == 0, "\(deployed)")
            let status = try await rig.seatrial("status")
            #expect(status.status == 0, "\(status)")
            for line in [
                "daemon etcd-1  running", "daemon etcd-3  running",
                "broker-a1 (1)  broker-a  master  1      1,2,3    ",
                "broker-a3 (3)  broker-a  slave   1      1,2,3    ",
                "3 of 3: master", "3 of 3: slave 2",
            ] { #expect(status.output.contains(line), "\(line) is not in \(status)") }
            let json = try await rig.seatrial("status", "--json")
            #expect(json.status == 0 && json.output.contains("\"inSync\" : ["), "\(json)")
            let destroyed = try await rig.seatrial("destroy")
            #expect(destroyed.status == 0, "\(destroyed)")
            let left = try await Self.etcd(on: rig)
            #expect(left.isEmpty, "etcd stays: \(left)")

            // Neither host has it any more: the one of the mode's file is sent.
            for (_, process) in try await Self.processes(of: rig) { try await Self.hideEtcd(on: process) }
            let single = rig.state.appending("single.yaml")
            let made = try await Program.run(
                at: "/bin/sh", ["-c", "sed 's/^etcd: 3/etcd: 1/' labs/modes/m6-async.yaml > \(single)"])
            try #require(made.status == 0)
            let again = try await rig.seatrial("deploy", single.string)
            #expect(again.status == 0, "\(again)")
            let shown = try await rig.seatrial("status")
            #expect(shown.output.contains("daemon etcd-1  running") && !shown.output.contains("etcd-2"), "\(shown)")
            #expect(shown.output.contains("3 of 3: master"), "\(shown)")
            let gone = try await rig.seatrial("destroy")
            #expect(gone.status == 0, "\(gone)")
        }
    }

    /// The trials of M6 that fit here: a master without power is replaced and nothing is lost, and one that is cut off refuses. The
    /// others are in docs/rounds.md.
    @Test(arguments: ["m6-master-power-loss", "m6-minority"]) func aGroupKeepsItsPromise(_ plan: String) async throws {
        try await Rig.with(hosts: 8) { rig in
            let run = try await rig.seatrial("trial", "run", "labs/trials/\(plan).yaml", "--seed", "11", "--json")
            #expect(run.status == 0, "\(run)")
            #expect(run.output.contains(/"not_shown"\s*:\s*\[\s*\]/), "\(run)")
            let status = try await rig.seatrial("status")
            #expect(!status.output.contains("daemon "), "daemons survived the run: \(status)")
        }
    }

    /// Nobody has an etcd: the way out is told, and `destroy` leaves nothing.
    @Test func aMissingEtcdIsTold() async throws {
        try await Rig.with(hosts: 8) { rig in
            for (_, process) in try await Self.processes(of: rig) { try await Self.hideEtcd(on: process) }
            let words = "\(Program.path("seatrial")) deploy m6-sync --state \(rig.state)"
            let refused = try await Program.run(
                at: "/bin/sh",
                ["-c", "unshare -m sh -c 'mount --bind /dev/null \"$(command -v etcd)\" && exec \(words)'"])
            #expect(refused.status == 3, "\(refused)")
            #expect(refused.errors.contains("no etcd there, and none on this machine to send"), "\(refused)")
            #expect(refused.errors.contains("apt-get install etcd-server"), "\(refused)")
            let destroyed = try await rig.seatrial("destroy")
            #expect(destroyed.status == 0, "\(destroyed)")
            let status = try await rig.seatrial("status")
            #expect(!status.output.contains("daemon "), "\(status)")
        }
    }

    /// A controller that is killed between etcd and the brokers leaves what `destroy` finds.
    @Test func aKilledDeploymentIsRemoved() async throws {
        try await Rig.with(hosts: 8) { rig in
            let end = try await Subprocess.run(
                .path(Program.path("seatrial")), arguments: ["deploy", "m6-sync", "--state", rig.state.string],
                workingDirectory: Program.checkout, input: .none, output: .discarded, error: .discarded
            ) { execution in
                let deadline = ContinuousClock.now + .seconds(60)
                while ContinuousClock.now < deadline {
                    if try await !Self.etcd(on: rig).isEmpty { break }
                    try await Task.sleep(for: .milliseconds(10))
                }
                try execution.send(signal: .kill)
            }.terminationStatus
            #expect(end == .signaled(9))
            let status = try await rig.seatrial("status")
            #expect(status.output.contains("daemon etcd-"), "\(status)")
            let destroyed = try await rig.seatrial("destroy")
            #expect(destroyed.status == 0, "\(destroyed)")
            let left = try await Self.etcd(on: rig)
            #expect(left.isEmpty, "etcd stays: \(left)")
            let after = try await rig.seatrial("status")
            #expect(!after.output.contains("daemon "), "\(after)")
        }
    }
}
