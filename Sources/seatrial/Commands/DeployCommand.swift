import ArgumentParser
import LabCluster
import LabInventory
import LabTrials

struct DeployCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deploy",
        abstract: "Put a cluster onto hosts and start it.",
        usage: "seatrial deploy <mode> [<options>]",
        discussion: """
            Examples:
              seatrial deploy m1-async                   onto the hosts of 'hosts up'
              seatrial deploy m2-async -i hosts.yaml     onto your own machines
              seatrial deploy m6-sync                    a group, and its etcd
              seatrial deploy m1-sync --dry-run          print the plan, touch nothing
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
        try inventory.requireAccess(place)
        try inventory.requirePower(of: plan.hosts, place)
        try RunGuard(place).refuseWhileRunning()
        let subject = try Subject.ours(in: place.programFolder)
        CleanUp.begin()
        let cluster = try await open(plan, subject)
        let fleet = cluster.fleet
        do {
            try await cluster.deploy { Terminal.progress($0) }
            let groups = GroupSetUp(plan)
            if groups.isNeeded {
                Terminal.progress("waiting for each group's master and its followers")
                try await groups.wait()
            }
            try Task.checkCancellation()
        } catch {
            guard Task.isCancelled else {
                await fleet.close()
                Terminal.progress("what was started stays, to be looked at; 'seatrial destroy' removes it")
                throw error
            }
            // A task of its own: this one's is cancelled, and with it whatever it would ask of the hosts.
            let undo = Task { try await fleet.destroy() }
            let outcome = await undo.result
            await fleet.close()
            try outcome.get()
            Terminal.complain("what was deployed was removed again; nothing is left on the hosts")
            throw CancellationError()
        }
        await fleet.close()
        print(
            "cluster '\(plan.topology.cluster)' is up; nameservers: \(plan.nameserverAddresses.joined(separator: ";"))")
    }

    /// Connects to the hosts and makes sure that they are free.
    private func open(_ plan: DeploymentPlan, _ subject: Subject) async throws -> Cluster {
        do {
            let fleet = try await Fleet.open(plan.hosts, agent: place.agentBinary)
            let cluster = Cluster(plan: plan, subject: subject, fleet: fleet)
            do {
                try await cluster.refuseLeftovers()
                return cluster
            } catch {
                await fleet.close()
                throw error
            }
        } catch {
            guard Task.isCancelled else { throw error }
            Terminal.complain(
                "nothing was deployed yet; at most the agent's own program is on the hosts, which 'seatrial destroy' removes"
            )
            throw CancellationError()
        }
    }
}
