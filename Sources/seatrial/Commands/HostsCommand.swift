import ArgumentParser
import LabHosts
import SystemPackage

struct HostsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hosts",
        abstract: "Hosts on this machine: each with its own network, processes, sshd and disk.",
        discussion: """
            Examples:
              seatrial hosts up 3      three hosts, reached over SSH like any VM
              seatrial hosts list      their names and addresses
              seatrial hosts power off n2   pull a host's plug, to bring it back with 'on'
              seatrial hosts check     what a lab left behind (exit status 1 if anything)
              seatrial hosts down      take them away
            """,
        subcommands: [Up.self, Down.self, List.self, HostsPowerCommand.self, Check.self])

    private static func filesystem(_ name: String) throws -> HostFilesystem {
        guard let filesystem = HostFilesystem(rawValue: name) else {
            throw ValidationError(
                "'\(name)' is none of \(HostFilesystem.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return filesystem
    }

    struct Up: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Bring up N hosts; again is harmless, and repairs what died.",
            usage: "seatrial hosts up [<count>] [<options>]",
            discussion: """
                Fewer than there are takes the last ones down, with their disks.

                Examples:
                  seatrial hosts up 3
                  seatrial hosts up 5 --filesystem xfs
                """)

        @Argument(
            help: "How many hosts (default: as many as there are, else \(LocalHosts.defaultCount)).")
        var count: Int?
        @Option(help: "Filesystem of each host's own disk: ext4 or xfs.", transform: HostsCommand.filesystem)
        var filesystem = HostFilesystem.ext4
        @Option(help: ArgumentHelp("Size of each disk in MiB; sparse, so it costs what is written.", valueName: "MiB"))
        var disk = 2048
        @OptionGroup var place: PlaceOptions

        func validate() throws {
            guard (1...200).contains(count ?? 1) else {
                throw ValidationError("\(count ?? 0) hosts: a lab has 1 to 200 of them")
            }
            guard (64...1_048_576).contains(disk) else {
                throw ValidationError("a disk of \(disk) MiB: 64 to 1048576 can be made")
            }
        }

        func run() async throws {
            let hosts = LocalHosts(stateDirectory: place.stateFolder)
            try RunGuard(place).refuseWhileRunning()
            try LocalHosts.requireRoot(for: UsageLine.commandLine)
            let wereUp = !hosts.list().isEmpty
            CleanUp.begin()
            let report: HostsReport
            do {
                report = try await hosts.up(
                    count: count, filesystem: filesystem, diskBytes: Int64(disk) << 20,
                    progress: { Terminal.progress($0) })
                if !wereUp { try Task.checkCancellation() }
            } catch {
                // Interrupted, whatever failed for it; hosts that were up before are not its to take away.
                guard Task.isCancelled else { throw error }
                guard !wereUp else {
                    Terminal.complain("some hosts may be half up; 'seatrial hosts up' mends them")
                    throw CancellationError()
                }
                try await hosts.down()
                Terminal.complain("the hosts were taken down again; nothing is left")
                throw CancellationError()
            }
            if !report.removed.isEmpty {
                print(
                    "taken down, with all on their disks: \(report.removed.joined(separator: ", ")); for as many again: 'seatrial hosts up \(report.hosts.count + report.removed.count)'"
                )
            }
            print(
                "\(report.hosts.count) host(s) up on \(report.subnet): \(report.hosts.map { "\($0.name) \($0.address)" }.joined(separator: ", "))"
            )
            print("inventory: \(hosts.inventoryPath)")
        }
    }

    /// A host as `--json` prints it.
    private struct HostRow: Encodable {
        var name: String
        var address: String
        var state: String
        var pid: Int32?
        var disk: String

        init(_ host: LocalHost) {
            name = host.name
            address = host.address
            state = host.state.rawValue
            pid = host.pid
            disk = host.disk.string
        }
    }

    struct Down: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take all hosts down, and what killed runs left of them.",
            usage: "seatrial hosts down [<options>]", discussion: "Example: seatrial hosts down")

        @OptionGroup var place: PlaceOptions

        func run() async throws {
            try RunGuard(place).refuseWhileRunning()
            CleanUp.begin()
            let report = try await LocalHosts(stateDirectory: place.stateFolder).down(progress: {
                Terminal.progress($0)
            })
            if !report.hosts.isEmpty {
                print("down: \(report.hosts.joined(separator: ", ")), with their networks, processes and disks")
            } else if report.removed.isEmpty {
                print("nothing was up in \(place.stateFolder)")
            } else {
                print(
                    "removed what a killed lab had left: \(report.removed.map(\.description).joined(separator: ", "))")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The hosts, their addresses and whether they are up, off or down.",
            usage: "seatrial hosts list [<options>]", discussion: "Example: seatrial hosts list --json")

        @OptionGroup var place: PlaceOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let local = LocalHosts(stateDirectory: place.stateFolder)
            try local.requireAccess(for: UsageLine.commandLine)
            let hosts = local.list()
            if output.json {
                try output.print(hosts.map(HostRow.init))
            } else if hosts.isEmpty {
                print("no hosts in \(place.stateFolder); bring some up with 'seatrial hosts up 3'")
            } else {
                print(
                    TextTable(
                        header: ["HOST", "ADDRESS", "STATE", "PID", "DISK"],
                        rows: hosts.map {
                            [$0.name, $0.address, $0.state.rawValue, $0.pid.map { "\($0)" } ?? "-", $0.disk.string]
                        }))
            }
            if local.isHalfUp {
                Terminal.complain("half up: a 'hosts up' or 'down' was killed or still runs; run it again")
            }
        }
    }

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Look for what a lab left behind: namespaces, links, mounts, loops, processes, routes.",
            usage: "seatrial hosts check [<options>]",
            discussion: """
                Exit status 1 when anything is found. It needs root, as others' processes are looked at.

                Example: seatrial hosts check
                """)

        @OptionGroup var place: PlaceOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            try LocalHosts.requireRoot(for: UsageLine.commandLine)
            let leftovers = await LocalHosts(stateDirectory: place.stateFolder).check()
            if output.json {
                try output.print(leftovers.map { ["kind": $0.kind.rawValue, "name": $0.name] })
            } else if leftovers.isEmpty {
                print("nothing left behind")
            } else {
                for leftover in leftovers { print("left behind: \(leftover)") }
                Terminal.complain("'seatrial hosts down' removes them")
            }
            if !leftovers.isEmpty { throw ExitCode(1) }
        }
    }
}
