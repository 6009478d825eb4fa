import ArgumentParser
import LabCluster
import LabInventory
import LabTrials
import SystemPackage

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "What the lab has on the hosts now: daemons, roles, faults, unfinished runs.",
        usage: "seatrial status [<options>]",
        discussion: """
            Where brokers run, a table says of each what it is, its epoch, its \
            in-sync set, how far its log and its slaves are, and what each \
            nameserver says of it.

            Examples:
              seatrial status -i hosts.yaml
              seatrial status --json
            """)

    @OptionGroup var inventory: InventoryOptions
    @OptionGroup var place: PlaceOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let hosts = try inventory.selected(place)
        try inventory.requireAccess(place)
        let status = try await FleetStatus.read(hosts, agent: place.agentBinary)
        let places = status.places
        let view = places.contains { $0.role == .broker } ? await ClusterView.read(places) : nil
        if output.json {
            try output.print(StatusReport(rows: status.rows, cluster: view))
        } else {
            print(status)
            if let view { print("\n\(view)") }
            if let running = RunGuard(place).running {
                print("run \(running.runID) is going on (process \(running.controllerPID))")
            }
            // Only the newest: an older one's remains would be its remains.
            if let folder = RunFolder.all(under: place.runsFolder).last, case let last = try folder.manifest(),
                folder.wasKilled(last), last.isTakenDown != true
            {
                print(
                    "run \(last.runID) is incomplete: its controller was killed; 'seatrial destroy' removes what it left"
                )
            }
        }
        guard status.isComplete else { throw ExitCode(Exit.labError) }
    }
}

/// What `status --json` says: each host's row, and what the brokers and nameservers say of each other.
private struct StatusReport: Encodable {
    var rows: [FleetStatus.Row]
    /// Absent where no broker is deployed.
    var cluster: ClusterView?
}
