public import LabInventory

/// Decides which host runs which daemon. Pure: the same topology and inventory give the same plan.
///
/// Nameservers go to the hosts of group `nameservers`, brokers to those of `brokers`, one each, in inventory order.
/// One daemon of a role a host: two brokers on one machine would fail together, and a lab about failures would lie.
public enum Placement {
    /// RocketMQ's default ports.
    public static let nameserverPort = 9876
    public static let brokerPort = 10911

    public static func plan(
        _ topology: Topology, nameservers: [InventoryHost], brokers: [InventoryHost]
    ) throws(ClusterError) -> DeploymentPlan {
        try require(topology.nameservers, of: "nameservers", have: nameservers.count, topology)
        try require(topology.brokers.count, of: "brokers", have: brokers.count, topology)
        let namePlans = (0..<topology.nameservers).map { index in
            DaemonPlan(
                name: "ns-\(index + 1)", role: .nameserver, host: nameservers[index],
                address: nameservers[index].seatrialAddress, port: nameserverPort,
                settings: ["listenPort": "\(nameserverPort)"])
        }
        let addresses = namePlans.map { "\($0.address):\($0.port)" }.joined(separator: ";")
        let brokerPlans = topology.brokers.enumerated().map { index, spec in
            let number = topology.brokers[...index].count { $0.slaveOf == spec.slaveOf && spec.slaveOf != nil }
            return brokerPlan(spec, number: number, on: brokers[index], topology: topology, nameservers: addresses)
        }
        return DeploymentPlan(topology: topology, daemons: namePlans + brokerPlans)
    }

    private static func brokerPlan(
        _ spec: Topology.BrokerSpec, number: Int, on host: InventoryHost, topology: Topology, nameservers: String
    ) -> DaemonPlan {
        var plan = DaemonPlan(
            name: spec.name, role: .broker, host: host, address: host.seatrialAddress, port: brokerPort, settings: [:])
        var settings = topology.settings.merging(spec.settings) { _, own in own }
        settings["brokerClusterName"] = topology.cluster
        settings["brokerName"] = spec.slaveOf ?? spec.name
        // A master is number 0, its slaves count from 1.
        settings["brokerId"] = settings["brokerId"] ?? "\(number)"
        if spec.slaveOf != nil { settings["brokerRole"] = "SLAVE" }
        settings["listenPort"] = "\(brokerPort)"
        settings["brokerIP1"] = host.seatrialAddress
        settings["namesrvAddr"] = nameservers
        settings["storePathRootDir"] = plan.storePath
        plan.settings = settings
        return plan
    }

    private static func require(
        _ needed: Int, of group: String, have: Int, _ topology: Topology
    ) throws(ClusterError) {
        guard have >= needed else {
            throw ClusterError(
                .notEnoughHosts,
                "mode \(topology.mode) needs \(needed) host(s) in group '\(group)', the inventory has \(have); "
                    + "add hosts, or bring up more of them with 'seatrial hosts up N'")
        }
    }
}
