public import LabInventory

/// What will be put where, decided before a host is touched. `description` is what `--dry-run` prints.
public struct DeploymentPlan: Sendable {
    public var topology: Topology
    /// In the order in which they start: nameservers first.
    public var daemons: [DaemonPlan]

    /// Hosts that have something to run, each once, in inventory order of first use.
    public var hosts: [InventoryHost] {
        var seen: Set<String> = []
        return daemons.map(\.host).filter { seen.insert($0.name).inserted }
    }

    /// `host:port` of every nameserver as the cluster's members and its clients reach them.
    public var nameserverAddresses: [String] {
        daemons.filter { $0.role == .nameserver }.map { "\($0.address):\($0.port)" }
    }

    public func daemon(named name: String) -> DaemonPlan? { daemons.first { $0.name == name } }
}

/// One daemon on one host.
public struct DaemonPlan: Sendable {
    public enum Role: String, Sendable { case nameserver, broker }

    /// `ns-1`, `broker-a`: unique in the cluster.
    public var name: String
    public var role: Role
    public var host: InventoryHost
    /// Cluster-facing address.
    public var address: String
    public var port: Int
    /// RocketMQ properties, sorted by key when written.
    public var settings: [String: String]

    /// Everything of this daemon on its host: configuration, store, log.
    public var directory: String { "\(host.directory)/\(name)" }
    public var configPath: String { "\(directory)/\(role.rawValue).properties" }
    public var storePath: String { "\(directory)/store" }
    public var logPath: String { "\(directory)/\(name).log" }

    /// The `.properties` file, byte for byte.
    public var configText: String {
        settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\n" }.joined()
    }
}

extension DeploymentPlan: CustomStringConvertible {
    public var description: String {
        var lines = ["cluster '\(topology.cluster)' as \(topology.mode): \(topology.title)"]
        for daemon in daemons {
            lines.append(
                "  \(daemon.host.name): \(daemon.role.rawValue) '\(daemon.name)' on \(daemon.address):\(daemon.port), in \(daemon.directory)"
            )
            lines += daemon.configText.split(separator: "\n").map { "      \($0)" }
        }
        return lines.joined(separator: "\n")
    }
}
