import LabAgent
public import LabCluster
import LabInventory
import MQClient

/// What the brokers of a deployed cluster are now, and what the nameservers say of them: each asked as a client asks it.
///
/// Whoever does not answer is a row that says so. Nothing is concluded from one answer about another.
public struct ClusterView: Sendable, Codable {
    /// How long an answer may take before it counts as none.
    static let timeout = Duration.seconds(1)

    /// Where a daemon is asked.
    public struct Place: Sendable, Equatable {
        public var name: String
        public var host: String
        public var role: DaemonPlan.Role
        /// `host:port` for clients.
        public var address: String

        public init(name: String, host: String, role: DaemonPlan.Role, address: String) {
            self.name = name
            self.host = host
            self.role = role
            self.address = address
        }
    }

    public struct Broker: Sendable, Codable, Equatable {
        public var name: String
        public var host: String
        public var address: String
        /// RocketMQ's `brokerName`, as the nameservers have it; nil where none lists it.
        public var group: String?
        /// `master`, `slave`, or what a group's broker is that is neither now; nil when it does not answer.
        public var role: String?
        /// Its number in a group that may change its master.
        public var replica: String?
        /// The newest epoch of its log.
        public var epoch: Int?
        /// Why the master takes no messages now.
        public var refuses: String?
        /// The in-sync set as this broker knows it, by number.
        public var inSync: [String]?
        public var logEnd: Int64?
        /// Bytes and milliseconds by which a slave is behind its master, or the last of a master's slaves behind it.
        public var behindBytes: Int64?
        public var behindMilliseconds: Int64?
        /// By nameserver: the number under which it lists this broker, 0 for the master; absent where it does not.
        public var listed: [String: Int64] = [:]

        /// Whether a slave has its master's link; true of a master.
        public var isLinked = false
    }

    public var brokers: [Broker]
    /// Nameservers that answered, by name.
    public var nameservers: [String]
    /// Daemons that did not answer, with the reason.
    public var silent: [String: String]

    /// Asks all of them at once.
    public static func read(_ places: [Place]) async -> ClusterView {
        let nameservers = places.filter { $0.role == .nameserver }
        let brokers = places.filter { $0.role == .broker }
        let connection = MQConnection(
            configuration: .init(
                nameservers: nameservers.map(\.address), requestTimeout: timeout, connectTimeout: timeout))
        let admin = MQAdmin(client: connection)
        async let answers = Concurrently.map(brokers) { try await admin.runtimeInfo(of: $0.address) }
        let lists = await Concurrently.map(nameservers) { try await admin.clusterInfo(of: $0.address) }
        var view = ClusterView(brokers: [], nameservers: [], silent: [:])
        for (place, answer) in zip(brokers, await answers) {
            var broker = Broker(name: place.name, host: place.host, address: place.address)
            switch answer {
            case .success(let said): broker.take(said)
            case .failure(let error): view.silent[place.name] = "\(error)"
            }
            view.brokers.append(broker)
        }
        for (place, list) in zip(nameservers, lists) {
            switch list {
            case .success(let overview):
                view.nameservers.append(place.name)
                view.take(overview, of: place.name)
            case .failure(let error): view.silent[place.name] = "\(error)"
            }
        }
        for index in view.brokers.indices { view.brokers[index].settleRole() }
        await connection.shutdown()
        return view
    }

    private mutating func take(_ overview: ClusterOverview, of nameserver: String) {
        for index in brokers.indices {
            for (name, set) in overview.brokers {
                guard let number = set.addresses.first(where: { $0.value == brokers[index].address })?.key else {
                    continue
                }
                brokers[index].group = name
                brokers[index].listed[nameserver] = number
            }
        }
    }
}

extension ClusterView.Broker {
    /// Takes what the broker says of itself in its runtime information. What another kind of broker does not say stays unknown.
    mutating func take(_ said: [String: String]) {
        func number(_ key: String) -> Int64? { said[key].flatMap { Int64($0) }.flatMap { $0 < 0 ? nil : $0 } }
        logEnd = number("commitLogMaxOffset")
        epoch = number("logEpoch").map { Int($0) }
        isLinked = said["followsMaster"].map { $0 == "true" } ?? true
        behindBytes = number(said["followsMaster"] == nil ? "slaveBehindBytes" : "masterAheadBytes")
        behindMilliseconds = number("slaveBehindMilliseconds")
        replica = said["replicaId"]
        inSync = said["inSyncReplicas"].map { $0.split(separator: ",").map(String.init) }
        guard let groupRole = said["groupRole"] else {
            // Of a fixed pair; of a broker that says neither its nameservers know.
            role = said["followsMaster"] != nil ? "slave" : said["logEpoch"] != nil ? "master" : "unknown"
            return
        }
        switch groupRole {
        case "mastering": role = "master"
        case "following": role = "slave"
        default: role = groupRole
        }
        if role == "master" { refuses = said["refusesWrites"].flatMap { $0.isEmpty ? nil : $0 } }
    }

    /// A broker of another kind does not say what it is; then the number counts under which it is listed.
    fileprivate mutating func settleRole() {
        guard role == "unknown", let number = listed.values.min() else { return }
        role = number == 0 ? "master" : "slave"
    }
}

extension FleetStatus {
    /// Where the daemons that run are asked.
    public var places: [ClusterView.Place] {
        rows.flatMap { row in
            row.daemons.compactMap { daemon in
                guard let role = daemon.role, let readiness = daemon.spec.readiness else { return nil }
                return ClusterView.Place(
                    name: daemon.name, host: row.host, role: role, address: "\(readiness.host):\(readiness.port)")
            }
        }
    }
}
