import ArgumentParser
import LabCluster
import LabInventory

struct DestroyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destroy",
        abstract: "Stop every daemon, heal every fault and remove everything of the lab from the hosts.",
        usage: "seatrial destroy [<options>]",
        discussion: "Example: seatrial destroy -i hosts.yaml --limit b2")

    @OptionGroup var inventory: InventoryOptions
    @OptionGroup var place: PlaceOptions

    func run() async throws {
        try RunGuard(place).refuseWhileRunning()
        let hosts = try inventory.load(place).select("all", limit: inventory.limit)
        try inventory.requireAccess(place)
        CleanUp.begin()
        let removed = try await Fleet.destroy(hosts, agent: place.agentBinary)
        print(removed.isEmpty ? "nothing was deployed" : "removed from \(removed.joined(separator: ", "))")
    }
}
