import ArgumentParser
import LabCluster
import LabInventory
import LabTrials

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
        let hosts = try inventory.selected(place)
        try inventory.requireAccess(place)
        CleanUp.begin()
        let removed = try await Fleet.destroy(hosts, agent: place.agentBinary)
        if inventory.limit == nil { noteEnd() }
        print(removed.isEmpty ? "nothing was deployed" : "removed from \(removed.joined(separator: ", "))")
    }

    /// A killed run has nothing on the hosts any more; 'status' need not speak of it again.
    private func noteEnd() {
        guard let folder = RunFolder.all(under: place.runsFolder).last, var manifest = try? folder.manifest(),
            folder.wasKilled(manifest)
        else { return }
        manifest.isTakenDown = true
        do { try folder.write(manifest) } catch { Terminal.complain("\(error)") }
    }
}
