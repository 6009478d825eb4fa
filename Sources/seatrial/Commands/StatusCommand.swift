import ArgumentParser
import LabCluster
import LabInventory
import LabTrials
import SystemPackage

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "What the lab has on the hosts now: daemons, faults, unfinished runs.",
        usage: "seatrial status [<options>]",
        discussion: "Example: seatrial status -i hosts.yaml")

    @OptionGroup var inventory: InventoryOptions
    @OptionGroup var place: PlaceOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let hosts = try inventory.selected(place)
        try inventory.requireAccess(place)
        let status = try await FleetStatus.read(hosts, agent: place.agentBinary)
        if output.json {
            try output.print(status)
        } else {
            print(status)
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
