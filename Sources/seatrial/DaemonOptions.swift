import ArgumentParser
import LabAgent
import LabCluster
import LabInventory
import LabText
import LabTrials

/// Which daemons of what is deployed a command is about.
struct DaemonOptions: ParsableArguments {
    @Argument(help: "Names as 'seatrial status' shows them; all that is deployed when none is given.")
    var names: [String] = []
    @OptionGroup var inventory: InventoryOptions
    @OptionGroup var place: PlaceOptions

    /// Connects to the hosts that have something of the lab, finds the daemons, and lets go of the hosts afterwards.
    /// - Throws: `UsageError` for a name that nobody has, and where nothing is deployed at all.
    func with(_ body: (DaemonControl, [DaemonControl.Found]) async throws -> Void) async throws {
        let hosts = try inventory.selected(place)
        try inventory.requireAccess(place)
        let status = try await FleetStatus.read(hosts, agent: place.agentBinary)
        for row in status.rows where !row.isAnswered { Terminal.complain("host '\(row.host)': \(row.state)") }
        let there = status.rows.filter { !$0.daemons.isEmpty }
        let known = there.flatMap { $0.daemons.map(\.name) }
        guard !known.isEmpty else {
            throw status.isComplete
                ? UsageError("nothing is deployed on these hosts; 'seatrial deploy m1-async' puts a cluster there")
                : HostsNotReady(description: "no host that answers has a daemon of the lab") as any Error
        }
        for name in names where !known.contains(name) {
            let missing = status.isComplete ? "" : ", as far as the hosts answer"
            throw UsageError(
                "no daemon '\(name)' is deployed here\(missing); \(Nearest.suggestion(for: name, among: known))")
        }
        let chosenHosts = hosts.filter { host in there.contains { $0.host == host.name } }
        let fleet = try await Fleet.open(chosenHosts, agent: place.agentBinary)
        do {
            let control = try await DaemonControl(fleet: fleet, hosts: chosenHosts)
            try await body(control, control.select(names))
        } catch {
            await fleet.close()
            throw error
        }
        await fleet.close()
        guard status.isComplete else { throw ExitCode(Exit.labError) }
    }
}

extension DaemonControl {
    /// Waits, where all that is deployed runs, until each group that may change its master has one and the others follow it.
    func waitForGroups() async throws {
        var seen: Set<String> = []
        let hosts = daemons.map(\.host).filter { seen.insert($0.name).inserted }
        let now = try await DaemonControl(fleet: fleet, hosts: hosts)
        // Where some of them are down on purpose, a group may be without a master, too.
        guard now.daemons.allSatisfy({ $0.status.state == .running }) else { return }
        let groups = GroupSetUp(try await fleet.deployedDaemons(on: hosts))
        guard groups.isNeeded else { return }
        Terminal.progress("waiting for each group's master and its followers")
        try await groups.wait()
    }
}
