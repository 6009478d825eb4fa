import ArgumentParser
import LabCluster
import LabInventory
import LabTrials
import SystemPackage

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "What the lab has on the hosts now: daemons, faults, unfinished runs.",
        discussion: "Example: seatrial status -i hosts.yaml")

    @OptionGroup var inventory: InventoryOptions
    @OptionGroup var place: PlaceOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let hosts = try inventory.load(place).select("all", limit: inventory.limit)
        let status = try await FleetStatus.read(hosts, agent: place.agentBinary)
        if output.json {
            try output.print(status)
        } else {
            print(status)
            for run in RunFolder.all(under: place.runsFolder)
            where (try? run.manifest())?.wasKilled(isAlive: Processes.isAlive) == true {
                print("run \(run.path.lastComponent?.string ?? "") is incomplete: its controller was killed")
            }
        }
    }
}
