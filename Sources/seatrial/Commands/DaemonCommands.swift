import ArgumentParser
import LabAgent
import LabCluster
import LabInventory
import LabTrials

/// `seatrial start`
struct StartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start",
        abstract: "Start what is deployed and does not run.",
        usage: "seatrial start [<name> ...] [<options>]",
        discussion: """
            Each daemon as it was started before: etcd first, then nameservers, \
            then brokers. What runs is left alone.

            Examples:
              seatrial start                     the whole cluster
              seatrial start broker-a ns-1       these two
              seatrial start -i hosts.yaml
            """)

    @OptionGroup var daemons: DaemonOptions

    func run() async throws {
        try RunGuard(daemons.place).refuseWhileRunning()
        try await daemons.with { control, chosen in
            let paused = chosen.filter { $0.status.state == .stopped }
            if let paused = paused.first {
                throw UsageError(
                    "'\(paused.name)' on \(paused.host.name) is paused, by a fault or by hand: 'seatrial fault heal --all' or "
                        + "'seatrial restart \(paused.name)'")
            }
            let down = chosen.filter { $0.status.state == .exited }
            guard !down.isEmpty else {
                print("nothing to start: \(chosen.count == 1 ? "it runs" : "all of them run")")
                return
            }
            try await control.start(down) { print($0) }
            try await control.waitForGroups()
        }
    }
}

/// `seatrial stop`
struct StopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "End what is deployed, as an operator would; 'start' starts it again.",
        usage: "seatrial stop [<name> ...] [<options>]",
        discussion: """
            SIGTERM, and SIGKILL to what has not ended after 30 s: brokers first, \
            then nameservers, then etcd. Stores, settings and logs stay \
            ('seatrial destroy' removes all). For a crash there is \
            'seatrial fault apply kill'.

            Examples:
              seatrial stop                      the whole cluster
              seatrial stop broker-a             one broker
              seatrial stop etcd-1 etcd-2        the majority of an etcd of three
            """)

    @OptionGroup var daemons: DaemonOptions

    func run() async throws {
        try RunGuard(daemons.place).refuseWhileRunning()
        try await daemons.with { control, chosen in
            let alive = chosen.filter { $0.status.state != .exited }
            guard !alive.isEmpty else {
                print("nothing to stop: \(chosen.count == 1 ? "it does not run" : "none of them runs")")
                return
            }
            try await control.stop(alive) { print($0) }
        }
    }
}

/// `seatrial restart`
struct RestartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart",
        abstract: "End what is deployed, and start it again.",
        usage: "seatrial restart [<name> ...] [<options>]",
        discussion: """
            As 'stop' and then 'start'; what does not run is started.

            Examples:
              seatrial restart                   the whole cluster
              seatrial restart broker-a2         one broker
            """)

    @OptionGroup var daemons: DaemonOptions

    func run() async throws {
        try RunGuard(daemons.place).refuseWhileRunning()
        try await daemons.with { control, chosen in
            try await control.stop(chosen.filter { $0.status.state != .exited }) { print($0) }
            try await control.start(chosen) { print($0) }
            try await control.waitForGroups()
        }
    }
}

/// `seatrial logs`
struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs",
        abstract: "The last lines of what daemons have logged, read on their hosts.",
        usage: "seatrial logs [<name> ...] [<options>]",
        discussion: """
            Also of one that has ended. A trial keeps its daemons' logs in its run's folder.

            Examples:
              seatrial logs broker-a             its last 20 lines
              seatrial logs etcd-1 --lines 500   500 of them
              seatrial logs                      those of each daemon
            """)

    /// More lines than a terminal's memory are better read in the file.
    private static let lineLimit = 100_000

    @OptionGroup var daemons: DaemonOptions
    @Option(help: "How many lines of each.") var lines = 20

    func validate() throws {
        guard (1...Self.lineLimit).contains(lines) else {
            throw ValidationError("--lines \(lines) is out of range (expected 1 to \(Self.lineLimit))")
        }
    }

    func run() async throws {
        try await daemons.with { control, chosen in
            for (place, daemon) in chosen.enumerated() {
                let lines = try await control.lastLines(lines, of: daemon)
                if chosen.count > 1 { print("\(place == 0 ? "" : "\n")==> \(daemon.name) on \(daemon.host.name) <==") }
                for line in lines { print(line) }
                if lines.isEmpty { Terminal.complain("'\(daemon.name)' on \(daemon.host.name) has logged nothing yet") }
            }
        }
    }
}
