public import LabCluster
public import LabInventory

/// Who there is to strike: the hosts of a cluster, and what runs on them. Pure.
public struct Roster: Sendable {
    public var daemons: [DaemonPlan]
    /// Each once, in a fixed order.
    public var hosts: [InventoryHost]

    /// - Parameter more: hosts that count although nothing runs on them.
    public init(daemons: [DaemonPlan], more: [InventoryHost] = []) {
        self.daemons = daemons
        var seen: Set<String> = []
        hosts = (daemons.map(\.host) + more).filter { seen.insert($0.name).inserted }
    }

    public init(_ plan: DeploymentPlan) { self.init(daemons: plan.daemons) }

    func host(_ name: String) -> InventoryHost? { hosts.first { $0.name == name } }
    func daemon(_ name: String) -> DaemonPlan? { daemons.first { $0.name == name } }

    /// The host of a daemon or of this name.
    func host(of target: String) -> InventoryHost? { daemon(target)?.host ?? host(target) }

    /// Names of what a word stands for.
    func pool(_ word: String) -> [String]? {
        switch word {
        case "daemons": daemons.map(\.name)
        case "nameservers": daemons.filter { $0.role == .nameserver }.map(\.name)
        case "brokers": daemons.filter { $0.role == .broker }.map(\.name)
        case "masters": daemons.filter { $0.role == .broker && !$0.isSlave }.map(\.name)
        case "slaves": daemons.filter(\.isSlave).map(\.name)
        case "hosts": hosts.map(\.name)
        default: nil
        }
    }

    static let pools = ["daemons", "nameservers", "brokers", "masters", "slaves", "hosts"]

    /// The slaves of a broker, by the group that both are of.
    func slaves(of master: DaemonPlan) -> [DaemonPlan] {
        daemons.filter { $0.isSlave && $0.settings["brokerName"] == master.settings["brokerName"] }
    }

    /// The master of a slave.
    func master(of slave: DaemonPlan) -> DaemonPlan? {
        daemons.first {
            $0.role == .broker && !$0.isSlave && $0.settings["brokerName"] == slave.settings["brokerName"]
        }
    }
}

extension DaemonPlan {
    var isSlave: Bool { role == .broker && settings["brokerRole"] == "SLAVE" }

    /// Where a master's slaves connect to: RocketMQ's default is the port behind its own.
    var haPort: UInt16? { UInt16(exactly: settings["haListenPort"].flatMap { Int($0) } ?? port + 1) }

    /// Where clients connect to.
    var clientPorts: [UInt16] { [UInt16(exactly: port)].compactMap { $0 } }
}
