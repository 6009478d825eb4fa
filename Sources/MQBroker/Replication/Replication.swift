import Logging
import MQReplication
import MQStore
import MQTransport
import MQWire
import Synchronization
import SystemPackage

/// What a broker is to the others of its name: all send their log to whoever asks, and a slave follows one of them.
///
/// A slave serves its log too, since its master may come back from a power cut with less of it.
struct Replication: Sendable {
    let master: ReplicationMaster
    /// There on a slave, and on every broker of a group that may change its master.
    let slave: ReplicationSlave?
    /// This broker in its group, where that may change its master: what it is there is the member's to say. Elsewhere the
    /// configuration says it once and for all.
    let member: GroupMember?
    private let configured: (role: BrokerRole, id: Int64)
    /// Which epoch wrote which part of the log.
    let epochs: EpochRecord
    /// What was cut from the log, by this start and by earlier ones.
    let cuts: [LogCut]
    /// Where the log is served, `host:port`; there once the broker listens.
    private let served = ServedAddress()

    init(_ configuration: BrokerConfiguration, _ opened: OpenedStore, logger: Logger) {
        let store = opened.store
        (epochs, cuts) = (opened.epochs, opened.cuts)
        var settings = ReplicationMaster.Configuration()
        settings.host = configuration.bindAddress
        // A test's broker on a port of the system's choice has all its ports chosen.
        settings.port = configuration.listenPort == 0 ? 0 : configuration.haListenPort
        settings.heartbeatMilliseconds = configuration.haHeartbeat.milliseconds
        settings.silenceMilliseconds = Int(configuration.haSilence.milliseconds)
        settings.batchBytes = configuration.haBatchBytes
        settings.furthestBehind = configuration.haFurthestBehind
        configured = (configuration.role, configuration.brokerID)
        let member = opened.replica.map {
            GroupMember(
                configuration.failover, replica: $0, isFounder: configuration.role != .slave, store: store,
                epochs: opened.epochs.table)
        }
        self.member = member
        if configuration.failover.policy == .etcd {
            // The group's in-sync set decides, however far behind it is.
            (settings.answersBySet, settings.furthestBehind) = (true, .max)
        }
        let events = member.map { member in
            FollowerEvents(
                reported: { [weak member] in member?.tell(.follower($0, session: $1, reported: $2)) },
                left: { [weak member] in member?.tell(.followerLeft($0, session: $1)) })
        }
        master = ReplicationMaster(store: store, configuration: settings, logger: logger, events: events)
        slave =
            configuration.role == .slave || member != nil
            ? Self.follower(configuration, store: store, logger: logger) : nil
    }

    /// A link by which a log is followed.
    static func follower(
        _ configuration: BrokerConfiguration, store: MessageStore, logger: Logger
    ) -> ReplicationSlave {
        var settings = ReplicationSlave.Configuration()
        settings.heartbeatMilliseconds = Int(configuration.haHeartbeat.milliseconds)
        settings.silenceMilliseconds = Int(configuration.haSilence.milliseconds)
        settings.reportsFlushed = store.configuration.syncsCopies
        return ReplicationSlave(store: store, configuration: settings, logger: logger)
    }

    /// Whether this broker takes no messages of its own now.
    var isSlave: Bool { member.map { !$0.isMaster } ?? (slave != nil) }

    /// The number under which nameservers are told of this broker: 0 while it is the master.
    var announcedID: Int64 { member.map { $0.mayClaim ? 0 : $0.replica.id.number } ?? configured.id }

    /// What this broker is now, by RocketMQ's names.
    var role: BrokerRole {
        guard let member else { return configured.role }
        guard member.isMaster else { return .slave }
        return member.settings.policy == .etcd ? .syncMaster : member.settings.roleWhenMaster
    }

    /// Where the log is served, `host:port`; empty before it is.
    var address: String { served.address.withLock { $0 } }

    /// Begins to serve, and to follow; gives the port.
    func start(announcing host: String) throws -> Int {
        let port = try master.start()
        served.address.withLock { $0 = HostPort(host: host, port: port).description }
        slave?.start()
        return port
    }

    /// Ends all links.
    func stop() {
        slave?.stop()
        master.stop()
    }

    /// How many bytes were cut from the log and are kept aside.
    var cutBytes: Int64 { cuts.reduce(0) { $0 + Int64($1.range.count) } }

    /// What is said of it in a broker's runtime information.
    var figures: [(String, String)] {
        let slaves = master.slaves.map { "\($0.address)=\($0.reportedOffset ?? -1)" }.joined(separator: ",")
        let history =
            [
                ("logEpoch", String(epochs.table.last.number)), ("cutBytes", String(cutBytes)),
                ("lastCut", cuts.last?.path.lastComponent?.string ?? ""),
            ] + (member?.figures ?? [])
        if let slave, isSlave {
            return history + [
                ("followsMaster", String(slave.isConnected)), ("masterAheadBytes", String(slave.lagBytes)),
                ("slaves", slaves),
            ]
        }
        return history + [
            ("slaves", slaves), ("slaveBehindBytes", String(master.lagBytes ?? -1)),
            ("slaveBehindMilliseconds", String(master.lagMilliseconds ?? -1)),
        ]
    }
}

/// Where a log is served.
private final class ServedAddress: Sendable {
    let address = Mutex("")
}
