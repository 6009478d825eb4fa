import ArgumentParser
import LabHosts

/// The power of single hosts on this machine, switched from outside as a baseboard controller would.
struct HostsPowerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "power",
        abstract: "Cut the power of one host, and bring it back.",
        discussion: """
            What the host had not synced to its disk is lost, as it is when a plug is pulled.

            Examples:
              seatrial hosts power off n2              until 'power on', or 'hosts up'
              seatrial hosts power off n2 --for 30     it boots by itself after 30 s
              seatrial hosts power on n2               the same disk, address and keys
            """,
        subcommands: [Off.self, On.self, WhenDue.self])

    struct Off: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Pull the plug of a host: nothing more leaves it, and what it had not synced is gone.",
            usage: "seatrial hosts power off <host> [<options>]",
            discussion: """
                Again is harmless; the latest call says when the power comes back.

                Examples:
                  seatrial hosts power off n2
                  seatrial hosts power off n2 --for 30
                """)

        @Argument(help: "The host's name, as 'seatrial hosts list' tells it.") var host: String
        @Option(
            name: .customLong("for"),
            help: ArgumentHelp(
                "Boot it again after so long, whatever becomes of this program (default: never).",
                valueName: "seconds"))
        var seconds: Double?
        @OptionGroup var place: PlaceOptions

        func validate() throws {
            guard (0.001...86_400).contains(seconds ?? 1) else {
                throw ValidationError("--for \(seconds ?? 0) is out of range (expected 0.001 to 86400 seconds)")
            }
        }

        func run() async throws {
            let hosts = LocalHosts(stateDirectory: place.stateFolder)
            CleanUp.begin()
            let cut = try await hosts.powerOff(host, for: seconds)
            let end = seconds.map { "for \($0) s" } ?? "until 'seatrial hosts power on \(host)'"
            switch cut {
            case .withDisk: print("\(host) is off, \(end); its disk lost what was not synced")
            case .withoutDisk:
                print(
                    "\(host) is off, \(end); its disk was not mounted, so no filesystem was shut down and nothing lost")
            case .nothing: print("\(host) was off already, \(end)")
            }
        }
    }

    struct On: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Boot a host whose power was cut; one that is up stays as it is.",
            usage: "seatrial hosts power on <host> [<options>]", discussion: "Example: seatrial hosts power on n2")

        @Argument(help: "The host's name, as 'seatrial hosts list' tells it.") var host: String
        @OptionGroup var place: PlaceOptions

        func run() async throws {
            let hosts = LocalHosts(stateDirectory: place.stateFolder)
            CleanUp.begin()
            let isNew = try await hosts.powerOn(host)
            print("\(host) \(isNew ? "is up again" : "was up already")")
        }
    }

    /// What a loan's own process runs; nobody types it.
    struct WhenDue: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Wait for the end of a loan and boot the host.", shouldDisplay: false)

        @Argument var host: String
        @Option var loan: String
        @OptionGroup var place: PlaceOptions

        func run() async throws {
            await LocalHosts(stateDirectory: place.stateFolder).powerOnWhenDue(host, loan: loan)
        }
    }
}
