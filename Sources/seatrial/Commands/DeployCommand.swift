import ArgumentParser
import LabCluster
import LabInventory
import LabTrials

struct DeployCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deploy",
        abstract: "Put a cluster onto hosts and start it.",
        discussion: """
            Examples:
              seatrial deploy m1-async                     onto the hosts of 'seatrial hosts up'
              seatrial deploy m2-async -i hosts.yaml       onto your own machines
              seatrial deploy m1-sync --dry-run            print the plan, touch nothing
            """)

    @Argument(help: "A mode: a name of labs/modes/, or a file.") var mode: String
    @Flag(name: .customLong("dry-run"), help: "Print what would be done, and do nothing.") var dryRun = false
    @OptionGroup var inventory: InventoryOptions
    @OptionGroup var place: PlaceOptions

    func run() async throws {
        let plan = try inventory.plan(place.mode(mode), in: inventory.load(place))
        guard !dryRun else {
            print(plan)
            return
        }
        let subject = try Subject.ours(in: place.programFolder)
        CleanUp.begin()
        let fleet = try await Fleet.open(plan.hosts, agent: place.agentBinary)
        let cluster = Cluster(plan: plan, subject: subject, fleet: fleet)
        do {
            try await cluster.refuseLeftovers()
            try await cluster.deploy { Terminal.progress($0) }
        } catch {
            await fleet.close()
            throw error
        }
        await fleet.close()
        print(
            "cluster '\(plan.topology.cluster)' is up; nameservers: \(plan.nameserverAddresses.joined(separator: ";"))")
    }
}
