/// A master's book of its followers: what each has, who is in the in-sync set, and who is to be.
///
/// The set lives in the coordinator and is changed there by compare-and-swap. A change whose answer has not come may take
/// effect at any later moment, for as long as the revision it expects stands. So whoever is in the confirmed set *or* in a
/// proposed one has to have what is acknowledged, until a newer revision is seen: only then is every proposal before it
/// done with, one way or the other.
struct InSyncLedger: Sendable {
    /// A follower and how far it is.
    struct Follower: Sendable {
        var replica: Replica
        /// The connection that its reports come by.
        var session: Int
        var reported: Int64
        /// When it last had all that the master had, or all that the master had when it reported before; while it has all, this
        /// moves on by itself.
        var caughtUpAt: Int64
        var lastReportAt: Int64
        /// The log's end at its last report.
        var endAtLastReport: Int64
    }

    let me: Replica
    /// As the coordinator has it, and at which revision.
    private(set) var confirmed: [Replica]
    private(set) var revision: Int64
    /// What was proposed at that revision; all but one of them will fail, and perhaps that one, too.
    private(set) var proposals: [[Replica]] = []
    private(set) var lastProposalAt: Int64 = 0
    /// When the reign began: members are given time from there.
    let startedAt: Int64
    private(set) var followers: [Follower] = []
    /// The end of the master's log.
    private(set) var logEnd: Int64

    init(me: Replica, confirmed: [Replica], revision: Int64, logEnd: Int64, now: Int64) {
        self.me = me
        self.confirmed = confirmed
        self.revision = revision
        self.logEnd = logEnd
        startedAt = now
    }

    /// Takes note that the log goes on: whoever had all of it has not any more, from now on.
    mutating func grew(to end: Int64, now: Int64) {
        for index in followers.indices where followers[index].reported >= logEnd { followers[index].caughtUpAt = now }
        logEnd = end
    }

    /// Takes a report; one of an older connection counts for nothing.
    mutating func report(_ replica: Replica, session: Int, _ offset: Int64, now: Int64) {
        guard let index = followers.firstIndex(where: { $0.replica.id == replica.id }) else {
            followers.append(newcomer(replica, session: session, offset, now: now))
            return
        }
        guard followers[index].session == session, followers[index].replica == replica else {
            if followers[index].session < session {
                followers[index] = newcomer(replica, session: session, offset, now: now)
            }
            return
        }
        followers[index].reported = offset
        if offset >= logEnd {
            followers[index].caughtUpAt = now
        } else if offset >= followers[index].endAtLastReport {
            followers[index].caughtUpAt = max(followers[index].caughtUpAt, followers[index].lastReportAt)
        }
        followers[index].lastReportAt = now
        followers[index].endAtLastReport = logEnd
    }

    private func newcomer(_ replica: Replica, session: Int, _ offset: Int64, now: Int64) -> Follower {
        Follower(
            replica: replica, session: session, reported: offset, caughtUpAt: offset >= logEnd ? now : .min / 2,
            lastReportAt: now, endAtLastReport: logEnd)
    }

    /// Takes the end of a connection.
    mutating func left(_ id: ReplicaID, session: Int) {
        followers.removeAll { $0.replica.id == id && $0.session == session }
    }

    /// How far the foremost follower is.
    var foremost: Int64? { followers.map(\.reported).max() }

    /// Up to where all who are or may be in sync have the log; `nil` while one of them is not there.
    func commonOffset(own: Int64) -> Int64? {
        var offset = own
        for member in confirmed where member != me {
            guard let reported = reported(of: member) else { return nil }
            offset = min(offset, reported)
        }
        for proposal in proposals {
            for member in proposal where member != me {
                guard let reported = reported(of: member) else { return nil }
                offset = min(offset, reported)
            }
        }
        return offset
    }

    private func reported(of member: Replica) -> Int64? { followers.first { $0.replica == member }?.reported }

    /// How many members of the set keep up, this one among them.
    func countInTouch(lag: Int64, now: Int64) -> Int {
        confirmed.filter { $0 == me || isInTouch($0, lag: lag, now: now) }.count
    }

    private func isInTouch(_ member: Replica, lag: Int64, now: Int64) -> Bool {
        guard let follower = followers.first(where: { $0.replica == member }) else { return now - startedAt <= lag }
        return follower.reported >= logEnd || now - max(follower.caughtUpAt, startedAt) <= lag
    }

    /// What the set should be.
    ///
    /// 1. Who keeps up and has all that was acknowledged, and all that was there when the reign began, comes in. An earlier
    ///    incarnation of it goes.
    /// 2. Who does not keep up goes, as long as the minimum stays: below it nothing is acknowledged anyway, and who is still
    ///    a member may still be elected.
    func desired(floor: Int64, minimum: Int, lag: Int64, now: Int64) -> [Replica] {
        var set = confirmed
        for follower in followers
        where follower.reported >= floor && !set.contains(follower.replica)
            && (follower.reported >= logEnd || now - follower.caughtUpAt <= lag)
        {
            set.removeAll { $0.id == follower.replica.id }
            set.append(follower.replica)
        }
        for member in confirmed where member != me && set.count > max(1, minimum) {
            if !isInTouch(member, lag: lag, now: now) { set.removeAll { $0 == member } }
        }
        return set.sorted()
    }

    /// Notes a proposal at the confirmed revision.
    mutating func propose(_ set: [Replica], now: Int64) {
        if !proposals.contains(set) { proposals.append(set) }
        lastProposalAt = now
    }

    /// Takes the coordinator's word for the set, if it is news.
    mutating func confirm(_ set: [Replica], revision newRevision: Int64) {
        guard newRevision > revision else { return }
        (confirmed, revision) = (set, newRevision)
        proposals = []
    }
}
