import LabText
public import SystemPackage

/// The shape of a cluster, apart from any host: a file of `labs/modes/`.
///
/// It names how many nameservers and which brokers there are, and each broker's settings in RocketMQ's own
/// property keys. Where they run is decided by `Placement`.
public struct Topology: Sendable, Equatable, Decodable {
    /// Short name, the file's name without `.yaml`.
    public var mode: String
    public var title: String
    /// RocketMQ's `brokerClusterName`.
    public var cluster: String
    /// How many nameservers; at least 1.
    public var nameservers: Int
    /// How many members the etcd of the cluster has, which its groups ask who their master is; 0 for no etcd.
    public var etcd: Int
    public var brokers: [BrokerSpec]
    /// Settings of every broker; a broker's own win.
    public var settings: [String: String]

    public struct BrokerSpec: Sendable, Equatable, Decodable {
        /// The daemon's name in schedules and tables; a master's is RocketMQ's `brokerName` as well.
        public var name: String
        /// The master that it is a slave of, by its name; nil for a master.
        public var slaveOf: String?
        /// The group of brokers of which any may be the master, by its `brokerName`; its first one is the first master.
        public var group: String?
        public var settings: [String: String]

        /// RocketMQ's `brokerName`.
        public var brokerName: String { group ?? slaveOf ?? name }

        enum CodingKeys: String, CodingKey {
            case name, settings, group
            case slaveOf = "slave_of"
        }

        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            name = try container.decode(String.self, forKey: .name)
            slaveOf = try container.decodeIfPresent(String.self, forKey: .slaveOf)
            group = try container.decodeIfPresent(String.self, forKey: .group)
            settings = try container.decodeIfPresent([String: String].self, forKey: .settings) ?? [:]
        }
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case mode, title, cluster, nameservers, etcd, brokers, settings
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        mode = try container.decode(String.self, forKey: .mode)
        title = try container.decode(String.self, forKey: .title)
        cluster = try container.decode(String.self, forKey: .cluster)
        nameservers = try container.decode(Int.self, forKey: .nameservers)
        etcd = try container.decodeIfPresent(Int.self, forKey: .etcd) ?? 0
        brokers = try container.decode([BrokerSpec].self, forKey: .brokers)
        settings = try container.decodeIfPresent([String: String].self, forKey: .settings) ?? [:]
    }

    /// Reads and checks a mode's file.
    /// - Throws: `ClusterError` that names the file, the line where YAML knows it, and what was expected.
    public static func load(_ path: FilePath) throws(ClusterError) -> Topology {
        let text: String
        do throws(TextFile.Mistake) {
            text = try TextFile.read(path, limitBytes: Limits.fileBytes)
        } catch {
            throw ClusterError(.badTopology, "\(path): \(error)")
        }
        let topology: Topology?
        do throws(YAMLMistake) {
            topology = try YAMLParser.parse(text, limits: .small)?.decode()
        } catch {
            throw ClusterError(.badTopology, "\(path):\(error.line.map { "\($0):" } ?? "") \(error.text)")
        }
        guard let topology else {
            throw ClusterError(.badTopology, "\(path): it is empty; see labs/modes/ for what belongs here")
        }
        for settings in [topology.settings] + topology.brokers.map(\.settings) {
            guard let mistake = SettingRule.firstMistake(in: settings) else { continue }
            let line = line(of: mistake.key, in: text).map { ":\($0)" } ?? ""
            throw ClusterError(.badTopology, "\(path)\(line): \(mistake.key): \(mistake.text)")
        }
        try topology.validate(path)
        return topology
    }

    /// The first line, from 1, on which a key stands.
    private static func line(of key: String, in text: String) -> Int? {
        text.split(separator: "\n", omittingEmptySubsequences: false)
            .firstIndex { $0.drop { " -{,".contains($0) }.hasPrefix("\(key):") }.map { $0 + 1 }
    }

    /// Settings of one broker: its own win over the mode's.
    func settings(of broker: BrokerSpec) -> [String: String] {
        settings.merging(broker.settings) { _, own in own }
    }

    private func validate(_ path: FilePath) throws(ClusterError) {
        guard (1...Limits.nameservers).contains(nameservers) else {
            throw ClusterError(.badTopology, "\(path): nameservers: \(nameservers) (1 to \(Limits.nameservers))")
        }
        guard etcd == 0 || Limits.etcd.contains(etcd) else {
            let known = Limits.etcd.map { "\($0)" }.joined(separator: ", ")
            throw ClusterError(
                .badTopology, "\(path): etcd: \(etcd) (\(known): one member more than those bears no failure more)")
        }
        guard (1...Limits.brokers).contains(brokers.count) else {
            throw ClusterError(.badTopology, "\(path): brokers: \(brokers.count) of them (1 to \(Limits.brokers))")
        }
        var seen: Set<String> = []
        for broker in brokers where !seen.insert(broker.name).inserted {
            throw ClusterError(.badTopology, "\(path): brokers: two are named '\(broker.name)'; give each its own name")
        }
        let masters = brokers.filter { $0.slaveOf == nil }.map(\.name)
        for broker in brokers {
            guard let master = broker.slaveOf, !masters.contains(master) else { continue }
            throw ClusterError(
                .badTopology,
                "\(path): brokers: '\(broker.name)' is slave_of '\(master)', which is no master here "
                    + "(there are: \(masters.joined(separator: ", ")))")
        }
        for broker in brokers { try validateGroup(of: broker, path) }
    }

    /// A group's brokers may change their master; who decides on it has to be there.
    private func validateGroup(of broker: BrokerSpec, _ path: FilePath) throws(ClusterError) {
        let policy = settings(of: broker)["failoverPolicy"]?.lowercased() ?? "none"
        guard let group = broker.group else {
            guard policy == "none" else {
                throw ClusterError(
                    .badTopology,
                    "\(path): brokers: '\(broker.name)' has failoverPolicy \(policy) and no group; say 'group: NAME', the "
                        + "same for each broker that may be the master")
            }
            return
        }
        guard broker.slaveOf == nil else {
            throw ClusterError(
                .badTopology,
                "\(path): brokers: '\(broker.name)' is of group '\(group)' and slave_of '\(broker.slaveOf ?? "")'; a group "
                    + "chooses its master (take one of them out)")
        }
        guard policy != "none" else {
            throw ClusterError(
                .badTopology,
                "\(path): brokers: '\(broker.name)' is of group '\(group)', whose failoverPolicy is none; set it to etcd, or to "
                    + "heartbeat")
        }
        guard policy != "etcd" || etcd > 0 || settings(of: broker)["etcdEndpoints"] != nil else {
            throw ClusterError(
                .badTopology,
                "\(path): brokers: '\(broker.name)' has failoverPolicy etcd, and there is none; say 'etcd: 3' (its members), or "
                    + "name one with etcdEndpoints")
        }
        if let other = brokers.first(where: { $0.group == nil && $0.brokerName == group }) {
            throw ClusterError(
                .badTopology,
                "\(path): brokers: group '\(group)' has the name of broker '\(other.name)'; give it one of its own")
        }
    }

    /// A lab's cluster, not a data centre: past these a mistyped number is likelier than an intention.
    enum Limits {
        /// A mode's file is a page.
        static let fileBytes = 1 << 20
        static let nameservers = 9
        /// A majority decides, so an even number has no use.
        static let etcd = [1, 3, 5, 7]
        static let brokers = 99
    }
}
