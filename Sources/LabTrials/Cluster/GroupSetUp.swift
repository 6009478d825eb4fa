public import LabCluster
import LabInventory
import MQClient

/// Waits until every group that chooses its master has one, with all of its brokers in the in-sync set and linked to it: a trial's
/// promises begin there, and its logs are compared when that is so again.
public struct GroupSetUp: Sendable {
    /// A lease that has to run out, an election, and a follower that takes what it lacks.
    public static let timeout = Duration.seconds(60)
    private static let pause = Duration.milliseconds(50)

    private let places: [ClusterView.Place]
    /// Names of the brokers of each group, in the plan's order.
    private let groups: [(name: String, members: [String])]

    public init(_ deployment: DeploymentPlan) { self.init(deployment.daemons) }

    public init(_ daemons: [DaemonPlan]) {
        places = daemons.map {
            ClusterView.Place(name: $0.name, host: $0.host.name, role: $0.role, address: "\($0.address):\($0.port)")
        }
        var groups: [(name: String, members: [String])] = []
        for daemon in daemons where daemon.isGroupMember {
            let name = daemon.settings["brokerName"] ?? daemon.name
            if let index = groups.firstIndex(where: { $0.name == name }) {
                groups[index].members.append(daemon.name)
            } else {
                groups.append((name, [daemon.name]))
            }
        }
        self.groups = groups
    }

    /// Whether there is any such group.
    public var isNeeded: Bool { !groups.isEmpty }

    /// - Parameter isWhole: whether all brokers of each group have to be there, and not a master alone.
    /// - Throws: `TrialError` that says what is missing after ``timeout``.
    public func wait(isWhole: Bool = true) async throws {
        guard isNeeded else { return }
        let deadline = ContinuousClock.now + Self.timeout
        while true {
            let view = await ClusterView.read(places)
            try Task.checkCancellation()
            let missing = groups.compactMap { Self.missing($0.name, $0.members, in: view, isWhole: isWhole) }
            guard !missing.isEmpty else { return }
            guard ContinuousClock.now < deadline else {
                throw TrialError(
                    .setUp,
                    "\(missing.joined(separator: "; ")), after \(Self.timeout): look at the brokers' logs and etcd's")
            }
            try await Task.sleep(for: Self.pause)
        }
    }

    /// What a group lacks; nil when it lacks nothing. Pure.
    static func missing(_ group: String, _ members: [String], in view: ClusterView, isWhole: Bool) -> String? {
        let brokers = view.brokers.filter { members.contains($0.name) }
        let masters = brokers.filter { $0.role == "master" }
        guard let master = masters.first, masters.count == 1 else {
            return masters.isEmpty
                ? "group '\(group)' has no master"
                : "group '\(group)' has \(masters.count) masters: \(masters.map(\.name).joined(separator: ", "))"
        }
        if let reason = master.refuses { return "the master of '\(group)', \(master.name), refuses: \(reason)" }
        guard view.nameservers.allSatisfy({ master.listed[$0] == 0 }) else {
            return "not every nameserver lists \(master.name) as the master of '\(group)'"
        }
        guard isWhole else { return nil }
        for broker in brokers where broker.name != master.name {
            guard broker.role == "slave", broker.isLinked else {
                return "\(broker.name) does not follow \(master.name)"
            }
            // Who decides by nameservers has no such set.
            if let set = master.inSync, broker.replica.map({ set.contains($0) }) != true {
                return "\(broker.name) is not in the in-sync set of '\(group)'"
            }
        }
        return nil
    }
}
