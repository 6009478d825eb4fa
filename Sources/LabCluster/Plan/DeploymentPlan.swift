public import LabInventory

/// What will be put where, decided before a host is touched. `description` is what `--dry-run` prints.
public struct DeploymentPlan: Sendable {
    public var topology: Topology
    /// In the order in which they start: etcd, nameservers, brokers.
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
    /// In the order in which they start.
    public enum Role: String, Sendable, CaseIterable { case etcd, nameserver, broker }

    /// `etcd-1`, `ns-1`, `broker-a`: unique in the cluster.
    public var name: String
    public var role: Role
    public var host: InventoryHost
    /// Cluster-facing address.
    public var address: String
    public var port: Int
    /// RocketMQ properties, or those of etcd's file; sorted by key when written.
    public var settings: [String: String]

    /// Everything of this daemon on its host: configuration, store, log.
    public var directory: String { "\(host.directory)/\(name)" }
    public var configPath: String { "\(directory)/\(role.configFile)" }
    public var storePath: String { "\(directory)/store" }
    public var logPath: String { "\(directory)/\(name).log" }

    /// The `.properties` file, or etcd's YAML, byte for byte.
    public var configText: String {
        settings.sorted { $0.key < $1.key }.map { "\($0.key)\(role.separator)\($0.value)\n" }.joined()
    }

    /// Whether it is one of a group's brokers, any of which may be the master.
    public var isGroupMember: Bool {
        role == .broker && settings["failoverPolicy"].map { $0.lowercased() != "none" } ?? false
    }
}

extension DaemonPlan.Role {
    /// The name of its configuration's file; tells the role of what is found on a host.
    var configFile: String { self == .etcd ? "etcd.yaml" : "\(rawValue).properties" }

    /// What names the configuration's file on its command line.
    var configFlag: String { self == .etcd ? "--config-file" : "-c" }

    /// Between key and value in its configuration.
    var separator: String { self == .etcd ? ": " : "=" }
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
