/// What one broker of a group does, and when: whom it follows, when it becomes the master, when it stops being it, what it cuts
/// from its log, and what it may acknowledge. Pure; one for all three policies.
///
/// - `none`: the configured master is the master. Before it serves it takes back what a sibling has besides.
/// - `heartbeat`: who sees no master at the nameservers, and no better sibling, promotes itself. Two brokers may both do so,
///   and an old master that is cut off goes on: what the loser had besides is cut at its return.
/// - `etcd`: a lease in the coordinator makes the master, only a member of the in-sync set gets one, and what is acknowledged
///   is with all of that set.
///
/// Inputs come with the time by a monotonic clock, in milliseconds; outputs are to be carried out in their order. The shell
/// calls with ``Event/timer`` at ``wakeAt`` at the latest. Whatever comes, a lease that is over is noticed first.
public struct ReplicaSetMachine: Sendable {
    public let configuration: Configuration
    /// This broker and its store.
    public let me: Replica
    /// What this broker has.
    public internal(set) var log: LogSpan
    /// Up to where it is on the disk.
    public internal(set) var flushedEnd: Int64
    public internal(set) var role: Role
    /// When the shell is to call at the latest.
    public internal(set) var wakeAt: Int64
    /// The newest that was seen of the coordinator's state.
    public internal(set) var group: GroupState?
    public internal(set) var lease: Lease?
    /// Coordinator's answers are told from older ones by it.
    var lastRequest = 0
    /// The question to the coordinator under way, and when it was asked.
    var asked: (number: Int, at: Int64)?
    /// What the siblings last said, and to which question.
    var statuses: [ReplicaID: (status: ReplicaStatus, question: Int)] = [:]
    /// What each nameserver last said, and when.
    var views: [Int: (view: NameserverView, at: Int64)] = [:]
    /// When this broker started, and whether it has found its place since.
    let startedAt: Int64
    /// Since when an heir has been given precedence.
    var heirSince: Int64?
    var actions: [Action] = []

    /// A broker that has just opened its store.
    public init(configuration: Configuration, me: Replica, log: LogSpan, flushedEnd: Int64, now: Int64) {
        self.configuration = configuration
        self.me = me
        self.log = log
        self.flushedEnd = flushedEnd
        role = .waiting(until: now)
        startedAt = now
        wakeAt = now
    }

    /// The policy of choosing a master.
    public enum Policy: String, Sendable, CaseIterable {
        case none, heartbeat, etcd
    }

    /// What has to be true of a record before its writer is told that it is stored.
    public enum AckRule: Sendable, Hashable {
        /// It is in this log.
        case own
        /// One slave has it, too.
        case oneCopy
        /// All of the in-sync set have it, so many at least, and the lease is valid.
        case inSync(minimum: Int)
    }

    public struct Configuration: Sendable {
        public var policy: Policy
        public var rule: AckRule
        /// Whether this is the broker that is the master before anything is known; one of a group.
        public var isFounder: Bool
        /// Whether a record counts as had when it is on the disk, and not before.
        public var countsFlushed: Bool
        /// How long the coordinator keeps a lease that is not renewed.
        public var leaseMilliseconds: Int64 = 3000
        /// How much slower than the coordinator's this machine's clock may go, in percent: a lease ends by so much earlier here.
        public var driftPercent: Int64 = 5
        /// How long a member of the in-sync set may lag before it is taken out.
        public var lagMilliseconds: Int64 = 1500
        /// After how long something that was asked for is asked for again.
        public var retryMilliseconds: Int64 = 500
        /// After how long a master that has not begun yet is asked again.
        public var promotionMilliseconds: Int64 = 25
        /// For how long a nameserver's word counts.
        public var viewMilliseconds: Int64 = 2000
        /// How long a founder that can ask nobody waits before it serves alone.
        public var patienceMilliseconds: Int64 = 3000

        public init(policy: Policy, rule: AckRule, isFounder: Bool, countsFlushed: Bool) {
            self.policy = policy
            self.rule = rule
            self.isFounder = isFounder
            self.countsFlushed = countsFlushed
        }

        var minimum: Int { if case .inSync(let minimum) = rule { minimum } else { 1 } }

        /// When a lease that was asked for at a time is over, by this machine's clock.
        func leaseEnd(sentAt: Int64) -> Int64 {
            sentAt + leaseMilliseconds - leaseMilliseconds * driftPercent / 100
        }
    }

    /// Takes what happened; gives what is to be done about it.
    public mutating func handle(_ event: Event, now: Int64) -> [Action] {
        endLease(now)
        switch event {
        case .timer: tick(now)
        case .log(let end, let flushed):
            (log.end, flushedEnd) = (end, flushed)
            changeReign { reign, _ in reign.ledger.grew(to: end, now: now) }
            finishTakingBack(now)
            acknowledge(now)
            finishHandover(now)
        case .follower(let replica, let session, let reported):
            heard(from: replica, session: session, reported, now)
        case .followerLeft(let id, let session):
            changeReign { reign, _ in reign.ledger.left(id, session: session) }
        case .status(let status, let number): heard(status, to: number, now)
        case .linkLost(let master): lost(master, now)
        case .reconciled(let end, let epochs): reconciled(end: end, epochs: epochs, now)
        case .promoted(let epoch, let start, let epochs): promoted(epoch, start: start, epochs: epochs, now)
        case .group(let state): heard(state, now)
        case .answered(let number, let answer): heard(answer, to: number, now)
        case .view(let nameserver, let view): heard(view, from: nameserver, now)
        case .switchRequested(let heir): handOver(to: heir, now)
        case .takeOver(let reign): takeOver(from: reign, now)
        }
        settleTimer(now)
        defer { actions = [] }
        return actions
    }

    /// Why no message is taken now; `nil` when they are.
    public func refusal(now: Int64) -> Refusal? {
        guard case .mastering(let reign) = role else { return .notMaster }
        if reign.heir != nil { return .handingOver }
        guard case .inSync(let minimum) = configuration.rule else { return nil }
        guard let lease, lease.validUntil > now else { return .leaseOver }
        let count = reign.ledger.countInTouch(lag: configuration.lagMilliseconds, now: now)
        return count < minimum ? .tooFewInSync : nil
    }

    /// What this broker says of itself to a sibling.
    public var status: ReplicaStatus {
        if case .mastering(let reign) = role { return ReplicaStatus(replica: me, log: log, reign: reign.epoch) }
        return ReplicaStatus(replica: me, log: log, reign: nil)
    }

    /// Up to where the log counts as had.
    var countedEnd: Int64 { configuration.countsFlushed ? flushedEnd : log.end }

    private mutating func tick(_ now: Int64) {
        renewLease(now)
        switch role {
        case .waiting(let until) where until <= now: lookAround(now)
        case .polling(let poll) where poll.deadline <= now: decide(now)
        case .joining(let join) where join.isAsking && join.retryAt <= now: ask(join, now)
        case .following where configuration.policy == .etcd: readGroup(now)
        case .campaigning: retryCampaign(now)
        case .mastering:
            keepInSync(now)
            watchOthers(now)
            giveUpHandover(now)
        default: break
        }
    }

    private mutating func settleTimer(_ now: Int64) {
        var next = now + configuration.retryMilliseconds
        if let lease { next = min(next, max(lease.renewAt, now + 1), lease.validUntil) }
        switch role {
        case .waiting(let until): next = min(next, max(until, now + 1))
        case .polling(let poll): next = min(next, max(poll.deadline, now + 1))
        case .joining(let join): next = min(next, max(join.retryAt, now + 1))
        default: break
        }
        wakeAt = next
    }

    mutating func nextRequest() -> Int {
        lastRequest += 1
        return lastRequest
    }

    /// Goes on without a place, and looks for one soon.
    mutating func wait(_ now: Int64) { role = .waiting(until: now + configuration.retryMilliseconds) }

    /// Looks for whom to follow, or whether to become the master.
    mutating func lookAround(_ now: Int64) {
        wait(now)
        switch configuration.policy {
        case .etcd:
            readGroup(now)
            askMembers()
        case .heartbeat, .none: consider(now)
        }
    }

    /// Changes the reign, where there is one.
    mutating func changeReign(_ change: (inout Reign, inout [Action]) -> Void) {
        guard case .mastering(var reign) = role else { return }
        change(&reign, &actions)
        role = .mastering(reign)
    }
}
