/// A broker of a group: the number that its configuration gives it.
public struct ReplicaID: Sendable, Hashable, Comparable {
    public var number: Int64

    public init(_ number: Int64) { self.number = number }

    public static func < (one: ReplicaID, other: ReplicaID) -> Bool { one.number < other.number }
}

/// A broker and the store it has.
///
/// The incarnation is drawn at random when a store is made, and anew whenever it may have lost what it once had: a member of
/// the in-sync set that comes back from a power cut without its tail is no member any more, whatever the set says.
public struct Replica: Sendable, Hashable, Comparable {
    public var id: ReplicaID
    public var incarnation: UInt64

    public init(id: ReplicaID, incarnation: UInt64) {
        self.id = id
        self.incarnation = incarnation
    }

    public static func < (one: Replica, other: Replica) -> Bool {
        (one.id, one.incarnation) < (other.id, other.incarnation)
    }
}

/// What a replica says of itself when another one asks.
public struct ReplicaStatus: Sendable, Hashable {
    public var replica: Replica
    public var log: LogSpan
    /// The epoch in which it serves as a master; `nil` while it does not.
    public var reign: Epoch?

    public init(replica: Replica, log: LogSpan, reign: Epoch?) {
        self.replica = replica
        self.log = log
        self.reign = reign
    }
}

/// What the coordinator has of a group.
public struct GroupState: Sendable, Hashable {
    /// When it was seen, in the coordinator's order of all changes.
    public var seenAt: Int64
    /// Counts the changes of epoch and in-sync set; 0 before the first.
    public var revision: Int64
    /// The newest epoch.
    public var epoch: Epoch
    /// Who serves; nobody once its lease is over.
    public var master: ReplicaID?
    /// The lease by which it serves.
    public var lease: Int64?
    /// Whom the last master wanted as the next one.
    public var heir: ReplicaID?
    /// Those who have all that was acknowledged, in order.
    public var inSync: [Replica]

    public init(
        seenAt: Int64 = 0, revision: Int64 = 0, epoch: Epoch = .none, master: ReplicaID? = nil, lease: Int64? = nil,
        heir: ReplicaID? = nil, inSync: [Replica] = []
    ) {
        self.seenAt = seenAt
        self.revision = revision
        self.epoch = epoch
        self.master = master
        self.lease = lease
        self.heir = heir
        self.inSync = inSync
    }
}

/// What a nameserver says of a group.
public struct NameserverView: Sendable, Hashable {
    public var master: ReplicaID?
    public var members: [ReplicaID]

    public init(master: ReplicaID?, members: [ReplicaID]) {
        self.master = master
        self.members = members
    }
}

/// The right to serve, for a while.
///
/// It ends here before it ends at the coordinator: it is counted from before the request was sent, by this machine's
/// monotonic clock, and the margin covers a clock that goes slower than the coordinator's.
public struct Lease: Sendable, Hashable {
    public var id: Int64
    public private(set) var validUntil: Int64
    /// When it is to be renewed next.
    public internal(set) var renewAt: Int64
    /// The renewal under way, and when it was asked for.
    var renewal: (number: Int, sentAt: Int64)?

    init(id: Int64, sentAt: Int64, configuration: ReplicaSetMachine.Configuration) {
        self.id = id
        validUntil = configuration.leaseEnd(sentAt: sentAt)
        renewAt = sentAt + configuration.leaseMilliseconds / 4
    }

    mutating func renewed(_ number: Int, configuration: ReplicaSetMachine.Configuration) {
        guard let renewal, renewal.number == number else { return }
        validUntil = max(validUntil, configuration.leaseEnd(sentAt: renewal.sentAt))
        self.renewal = nil
    }

    public static func == (one: Lease, other: Lease) -> Bool {
        one.id == other.id && one.validUntil == other.validUntil
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(id) }
}
