extension ReplicaSetMachine {
    /// What a broker is in its group. Each carries what it needs; what may follow stands above it.
    public enum Role: Sendable {
        /// Follows nobody and takes no messages. → polling, joining, campaigning, promoting
        case waiting(until: Int64)
        /// Asks its siblings what they have. → waiting, joining, promoting
        case polling(Poll)
        /// Compares its log with a master's, and cuts what differs. → following, joining, waiting
        case joining(Join)
        /// Copies a master's log. → joining, waiting, polling, campaigning, promoting
        case following(Join)
        /// Asks the coordinator for the next epoch. → promoting, waiting, joining
        case campaigning(Campaign)
        /// Writes down that its epoch begins. → mastering, waiting
        case promoting(Epoch)
        /// Takes messages. → waiting, joining
        case mastering(Reign)

        /// What it is called in figures.
        public var name: String {
            switch self {
            case .waiting: "waiting"
            case .polling: "polling"
            case .joining: "joining"
            case .following: "following"
            case .campaigning: "campaigning"
            case .promoting: "promoting"
            case .mastering: "mastering"
            }
        }
    }

    /// A question to all siblings.
    public struct Poll: Sendable {
        var members: [ReplicaID]
        var question: Int
        var deadline: Int64
    }

    /// A master that is followed, or is to be.
    public struct Join: Sendable {
        public var master: ReplicaID
        /// The epoch in which it is to be master; `nil` where whoever says to be it is believed, and for a sibling that is no
        /// master and from which something is taken back.
        public var epoch: Epoch?
        /// Up to where a master takes back what a sibling has, before it serves.
        public var takesBackTo: Int64?
        /// Whether the master is yet to answer; else the log is being cut.
        var isAsking = true
        /// The first question since the log stands still. The answer to an earlier one may say less than the master has by now,
        /// and what this broker had got and confirmed meanwhile would be cut.
        var question: Int?
        var retryAt: Int64 = 0
    }

    /// An attempt at the next epoch.
    public struct Campaign: Sendable {
        var expected: Int64
        var epoch: Epoch
        var inSync: [Replica]
        /// The request for a lease, and when it was made.
        var grant: (number: Int, sentAt: Int64)
        /// Whether the question for the epoch itself was sent.
        var isAsked = false
    }

    /// The time of this broker as the master.
    public struct Reign: Sendable {
        public var epoch: Epoch
        public var start: Int64
        public var acknowledged: Int64
        var ledger: InSyncLedger
        /// Who is to be the next one, and until when this one waits for it to have everything.
        var heir: (id: ReplicaID, deadline: Int64)?

        /// Those in sync, as the coordinator confirmed it.
        public var inSync: [Replica] { ledger.confirmed }
    }

    /// Why no message is taken.
    public enum Refusal: String, Sendable {
        case notMaster, leaseOver, tooFewInSync, handingOver
    }

    /// Why a broker is the master no longer.
    public enum Demotion: String, Sendable {
        case leaseOver, deposed, handedOver
    }

    /// What the coordinator answered.
    public enum Answer: Sendable {
        /// The group's state as it was read, or as it is after a change that did not come about.
        case state(GroupState)
        case leaseGranted(Int64)
        case leaseRenewed
        /// The coordinator does not know the lease any more.
        case leaseGone
        /// The change took place; the state after it.
        case done(GroupState)
    }

    /// What happens to a broker.
    public enum Event: Sendable {
        /// ``ReplicaSetMachine/wakeAt`` has come.
        case timer
        /// The log goes on, or more of it is on the disk.
        case log(end: Int64, flushed: Int64)
        /// A follower says what it has; `session` tells its connections apart, later ones are greater.
        case follower(Replica, session: Int, reported: Int64)
        case followerLeft(ReplicaID, session: Int)
        /// A sibling's answer to a question.
        case status(ReplicaStatus, to: Int)
        /// The link to a master ended, or could not be made.
        case linkLost(ReplicaID)
        /// ``Action/reconcile(cutTo:epochs:)`` is done.
        case reconciled(end: Int64, epochs: EpochTable)
        /// ``Action/promote(_:)`` is done.
        case promoted(Epoch, start: Int64, epochs: EpochTable)
        /// The coordinator's state changed.
        case group(GroupState)
        /// The coordinator's answer to a request.
        case answered(Int, Answer)
        /// A nameserver's word.
        case view(nameserver: Int, NameserverView)
        /// Somebody wants another master.
        case switchRequested(to: ReplicaID)
        /// The master of this epoch leaves its place to this broker.
        case takeOver(Epoch)
    }

    /// What is to be done. What has a number is answered with it.
    public enum Action: Sendable, Equatable {
        case readGroup(Int)
        case grantLease(Int)
        case renewLease(Int, lease: Int64)
        case revokeLease(Int64)
        /// Where revision and absence of a master are as expected: the lease's holder becomes the master of this epoch, and the set
        /// is this one.
        case campaign(Int, lease: Int64, expected: Int64, epoch: Epoch, inSync: [Replica])
        /// Where the revision is as expected and this broker the master: the set becomes this one.
        case changeInSync(Int, expected: Int64, inSync: [Replica])
        /// Where this broker is the master: it is no longer, and the heir is noted. The lease is given back in any case.
        case resign(lease: Int64, expected: Int64, heir: ReplicaID)
        /// Ask a sibling for its status.
        case ask(Int, ReplicaID)
        /// End all links, cut the log where it is longer, and keep what was cut; then save the table.
        case reconcile(cutTo: Int64, epochs: EpochTable)
        /// Follow a broker; of a master only in this epoch.
        case stream(from: ReplicaID, epoch: Epoch?)
        /// End the link to a master, and write what came by it.
        case stopStreaming
        /// Note that an epoch begins at the log's end, durably, and serve followers.
        case promote(Epoch)
        /// Take no more messages, and end all links to followers.
        case demote(Demotion)
        /// Answer those whose records end before.
        case acknowledge(Int64)
        /// Tell a follower to take over from this epoch.
        case handOver(to: ReplicaID, epoch: Epoch)
        /// A wish for another master is not granted.
        case switchRefused(String)
        /// Something that an operator should hear of.
        case report(String)
    }
}
