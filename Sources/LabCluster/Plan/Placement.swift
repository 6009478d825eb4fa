public import LabInventory

/// Decides which host runs which daemon. Pure: the same topology and inventory give the same plan.
///
/// Nameservers go to the hosts of group `nameservers`, brokers to those of `brokers`, one each, in inventory order. The members of
/// etcd go to the hosts of `etcd`, or, where there is no such group, beside the nameservers: as small, and as patient.
/// One daemon of a role a host: two brokers on one machine would fail together, and a lab about failures would lie.
public enum Placement {
    /// RocketMQ's default ports.
    public static let nameserverPort = 9876
    public static let brokerPort = 10911
    /// etcd's own: for clients, and for its members among themselves.
    public static let etcdPort = 2379
    static let etcdPeerPort = 2380

    /// - Parameter etcd: the hosts for etcd's members; nil for those of the nameservers.
    public static func plan(
        _ topology: Topology, nameservers: [InventoryHost], brokers: [InventoryHost], etcd: [InventoryHost]? = nil
    ) throws(ClusterError) -> DeploymentPlan {
        try require(topology.nameservers, of: "nameservers", have: nameservers.count, topology)
        try require(topology.brokers.count, of: "brokers", have: brokers.count, topology)
        let etcdHosts = etcd ?? nameservers
        try require(topology.etcd, of: etcd == nil ? "nameservers" : "etcd", have: etcdHosts.count, topology)
        let etcdPlans = etcdPlans(topology, on: etcdHosts)
        let namePlans = (0..<topology.nameservers).map { index in
            DaemonPlan(
                name: "ns-\(index + 1)", role: .nameserver, host: nameservers[index],
                address: nameservers[index].seatrialAddress, port: nameserverPort,
                settings: ["listenPort": "\(nameserverPort)"])
        }
        let addresses = namePlans.map { "\($0.address):\($0.port)" }.joined(separator: ";")
        let brokerPlans = topology.brokers.enumerated().map { index, spec in
            // A master is number 0, its slaves count from 1; so do all brokers of a group, which may be its master in turn.
            let number = topology.brokers[...index].count {
                spec.group != nil ? $0.group == spec.group : $0.slaveOf == spec.slaveOf && spec.slaveOf != nil
            }
            var plan = brokerPlan(spec, number: number, on: brokers[index], topology: topology, nameservers: addresses)
            if !etcdPlans.isEmpty, plan.settings["failoverPolicy"]?.lowercased() == "etcd" {
                let endpoints = etcdPlans.map { "\($0.address):\($0.port)" }.joined(separator: ";")
                plan.settings["etcdEndpoints"] = plan.settings["etcdEndpoints"] ?? endpoints
            }
            return plan
        }
        return DeploymentPlan(topology: topology, daemons: etcdPlans + namePlans + brokerPlans)
    }

    private static func etcdPlans(_ topology: Topology, on hosts: [InventoryHost]) -> [DaemonPlan] {
        var plans = hosts.prefix(topology.etcd).enumerated().map { index, host in
            DaemonPlan(
                name: "etcd-\(index + 1)", role: .etcd, host: host, address: host.seatrialAddress, port: etcdPort,
                settings: [:])
        }
        func peer(_ plan: DaemonPlan) -> String { "http://\(plan.address):\(etcdPeerPort)" }
        let members = plans.map { "\($0.name)=\(peer($0))" }.joined(separator: ",")
        for (index, plan) in plans.enumerated() {
            let client = "http://\(plan.address):\(plan.port)"
            let settings = [
                "name": plan.name, "data-dir": plan.storePath, "listen-client-urls": client,
                "advertise-client-urls": client, "listen-peer-urls": peer(plan),
                "initial-advertise-peer-urls": peer(plan), "initial-cluster": members, "initial-cluster-state": "new",
                // Members of two clusters that lie on the same hosts one after the other never take each other for their own.
                "initial-cluster-token": "\(topology.cluster)-\(topology.mode)", "logger": "zap",
            ]
            plans[index].settings = settings.mapValues { "'\($0)'" }
            // etcd that reads a file leaves its gateway out, which brokers speak to, unless the file asks for it.
            plans[index].settings["enable-grpc-gateway"] = "true"
        }
        return plans
    }

    private static func brokerPlan(
        _ spec: Topology.BrokerSpec, number: Int, on host: InventoryHost, topology: Topology, nameservers: String
    ) -> DaemonPlan {
        var plan = DaemonPlan(
            name: spec.name, role: .broker, host: host, address: host.seatrialAddress, port: brokerPort, settings: [:])
        var settings = topology.settings(of: spec)
        settings["brokerClusterName"] = topology.cluster
        settings["brokerName"] = spec.brokerName
        settings["brokerId"] = settings["brokerId"] ?? "\(number)"
        if spec.slaveOf != nil || spec.group != nil && number > 1 { settings["brokerRole"] = "SLAVE" }
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
