public import MQReplication
import MQTransport

/// How the brokers of one name come to their master, and what its answers promise.
public struct GroupSettings: Sendable {
    /// Who decides on the master (`failoverPolicy`).
    public var policy = ReplicaSetMachine.Policy.none
    /// What this broker is when it is the master under `heartbeat` (`roleWhenMaster`).
    public var roleWhenMaster = BrokerRole.asyncMaster
    /// How many of a group's brokers must have a message before it is answered under `etcd` (`minInSyncReplicas`).
    public var minimumInSync = 2
    /// How long a master that says nothing keeps its place under `etcd` (`leaseTimeMills`).
    public var lease = Duration.milliseconds(3000)
    /// How long a member of the in-sync set may lag before it is taken out (`haMaxTimeSlaveNotCatchup`).
    public var longestLag = Duration.milliseconds(1500)
    /// How often nameservers are asked for the master under `heartbeat` (`masterCheckPeriod`).
    public var checkPeriod = Duration.milliseconds(1000)
    /// After how long what was not answered is asked again (`groupRetryTimeMills`).
    public var retry = Duration.milliseconds(500)
    /// Where etcd's clients are served, `host:port` each (`etcdEndpoints`).
    public var etcdEndpoints: [String] = []

    /// No fail-over.
    public init() {}

    /// Reads the settings; throws on a bad value.
    init(settings: inout Settings, role: BrokerRole, nameservers: [String]) throws(ConfigurationError) {
        policy = try settings.choice("failoverPolicy", default: policy)
        roleWhenMaster = try settings.choice("roleWhenMaster", default: role == .slave ? roleWhenMaster : role)
        guard roleWhenMaster != .slave else {
            throw settings.bad("roleWhenMaster", accepted: "ASYNC_MASTER or SYNC_MASTER")
        }
        minimumInSync = try settings.integer("minInSyncReplicas", in: 1...16, default: minimumInSync)
        lease = try settings.milliseconds("leaseTimeMills", default: lease)
        // etcd grants whole seconds, and none shorter than one and a half of its own elections.
        guard (2000...600_000).contains(lease.milliseconds), lease.milliseconds % 1000 == 0 else {
            throw settings.bad("leaseTimeMills", accepted: "whole seconds from 2000 to 600000")
        }
        longestLag = try settings.milliseconds("haMaxTimeSlaveNotCatchup", default: longestLag)
        checkPeriod = try settings.milliseconds("masterCheckPeriod", default: checkPeriod)
        retry = try settings.milliseconds("groupRetryTimeMills", default: retry)
        for part in settings.string("etcdEndpoints", default: "").split(whereSeparator: { $0 == ";" || $0 == "," }) {
            let text = part.filter { $0 != " " }
            guard (try? HostPort(text)) != nil else {
                throw settings.bad("etcdEndpoints", accepted: "host:port, several separated by ;")
            }
            etcdEndpoints.append(text)
        }
        if policy == .etcd, etcdEndpoints.isEmpty {
            throw settings.bad("etcdEndpoints", accepted: "host:port, several separated by ;, for failoverPolicy=etcd")
        }
        if policy == .heartbeat, nameservers.isEmpty {
            throw settings.bad(
                "namesrvAddr", accepted: "a nameserver at least for failoverPolicy=heartbeat: it tells of the master")
        }
    }

    /// The machine's part of the settings.
    ///
    /// - Parameter countsFlushed: whether a record counts as had when it is on the disk.
    func machine(isFounder: Bool, countsFlushed: Bool) -> ReplicaSetMachine.Configuration {
        let rule: ReplicaSetMachine.AckRule =
            switch policy {
            case .etcd: .inSync(minimum: minimumInSync)
            case .heartbeat, .none: roleWhenMaster == .syncMaster ? .oneCopy : .own
            }
        var machine = ReplicaSetMachine.Configuration(
            policy: policy, rule: rule, isFounder: isFounder, countsFlushed: countsFlushed)
        machine.leaseMilliseconds = lease.milliseconds
        machine.lagMilliseconds = longestLag.milliseconds
        machine.retryMilliseconds = retry.milliseconds
        // Two questions may be lost before a nameserver's word counts no more.
        machine.viewMilliseconds = 3 * checkPeriod.milliseconds
        machine.patienceMilliseconds = 3 * checkPeriod.milliseconds
        return machine
    }
}
