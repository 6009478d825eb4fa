import SystemPackage
import Testing

/// `start`, `stop`, `restart` and `logs` on real hosts, from the command line.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct DaemonCommandTests {
    private static func process(of daemon: String, _ rig: Rig) async throws -> String? {
        let status = try await rig.seatrial("status")
        let line = status.output.split(separator: "\n").first { $0.contains("daemon \(daemon)  ") }
        return line?.firstMatch(of: /running, process (\d+)/).map { String($0.1) }
    }

    @Test func aBrokerIsStoppedStartedAndRead() async throws {
        try await Rig.with(hosts: 3) { rig in
            // Before there is anything, the way out is told.
            let nothing = try await rig.seatrial("stop")
            #expect(nothing.status == 64 && nothing.errors.contains("nothing is deployed on these hosts"), "\(nothing)")
            let deployed = try await rig.seatrial("deploy", "m1-async")
            try #require(deployed.status == 0, "\(deployed)")
            let unknown = try await rig.seatrial("restart", "broker-b")
            #expect(unknown.status == 64, "\(unknown)")
            #expect(
                unknown.errors.contains("no daemon 'broker-b' is deployed here; did you mean 'broker-a'?"), "\(unknown)"
            )
            let running = try await rig.seatrial("start")
            #expect(running.status == 0 && running.output == "nothing to start: all of them run\n", "\(running)")

            let first = try await Self.process(of: "broker-a", rig)
            let stopped = try await rig.seatrial("stop", "broker-a")
            #expect(stopped.status == 0 && stopped.output == "stopped 'broker-a' on n2\n", "\(stopped)")
            #expect(try await Self.process(of: "broker-a", rig) == nil)
            #expect(try await Self.process(of: "ns-1", rig) != nil)
            let log = try await rig.seatrial("logs", "broker-a", "--lines", "1")
            #expect(log.status == 0 && log.output.split(separator: "\n").count == 1, "\(log)")
            let again = try await rig.seatrial("start")
            #expect(again.status == 0 && again.output == "started 'broker-a' on n2\n", "\(again)")
            let second = try await Self.process(of: "broker-a", rig)
            #expect(second != nil && second != first)

            // The whole cluster: brokers end first, nameservers start first.
            let all = try await rig.seatrial("restart")
            #expect(all.status == 0, "\(all)")
            #expect(
                all.output
                    == "stopped 'broker-a' on n2\nstopped 'ns-1' on n1\nstarted 'ns-1' on n1\nstarted 'broker-a' on n2\n",
                "\(all)")
            let logs = try await rig.seatrial("logs", "--lines", "500")
            #expect(logs.status == 0 && logs.output.contains("==> ns-1 on n1 <=="), "\(logs)")
            #expect(logs.output.matches(of: /broker-a listening on/).count == 3, "\(logs)")
            let tooMany = try await rig.seatrial("logs", "--lines", "0")
            #expect(tooMany.status == 64 && tooMany.errors.contains("--lines 0 is out of range"), "\(tooMany)")
            let destroyed = try await rig.seatrial("destroy")
            #expect(destroyed.status == 0, "\(destroyed)")
        }
    }

    /// What does not come up is told with its own words, and what a fault paused is not started over it.
    @Test func whatCannotStartIsTold() async throws {
        try await Rig.with(hosts: 3) { rig in
            let deployed = try await rig.seatrial("deploy", "m1-async")
            try #require(deployed.status == 0, "\(deployed)")
            let paused = try await rig.seatrial("fault", "apply", "pause", "broker-a", "--ttl", "60")
            try #require(paused.status == 0, "\(paused)")
            let refused = try await rig.seatrial("start", "broker-a")
            #expect(refused.status == 64 && refused.errors.contains("'broker-a' on n2 is paused"), "\(refused)")
            let healed = try await rig.seatrial("fault", "heal", "--all")
            #expect(healed.status == 0, "\(healed)")
            let stopped = try await rig.seatrial("stop")
            #expect(stopped.status == 0, "\(stopped)")
            // Its settings are broken while it is down.
            let list = try await rig.seatrial("hosts", "list")
            let line = list.output.split(separator: "\n").first { $0.hasPrefix("n2 ") }
            let process = try #require(line?.split(separator: " ").dropFirst(3).first)
            let broken = try await Program.run(
                at: "/bin/sh",
                ["-c", "echo flushDiskType=SOMETIMES >> /proc/\(process)/root/srv/seatrial/broker-a/broker.properties"])
            try #require(broken.status == 0, "\(broken)")
            let failed = try await rig.seatrial("start")
            #expect(failed.status == 3, "\(failed)")
            #expect(failed.errors.contains("host 'n2': 'broker-a' did not start"), "\(failed)")
            #expect(failed.errors.contains("flushDiskType"), "\(failed)")
            let destroyed = try await rig.seatrial("destroy")
            #expect(destroyed.status == 0, "\(destroyed)")
        }
    }
}
