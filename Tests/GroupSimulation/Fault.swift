public import MQReplication

/// What goes wrong, when, and for how long. Times are in milliseconds from the start.
public struct Fault: Sendable, Equatable, CustomStringConvertible {
    /// How a broker ends.
    public enum Crash: String, Sendable {
        /// It writes everything and stops.
        case stop
        /// The process is gone; what it wrote is there.
        case kill
        /// What was not synced is gone, or some of it.
        case powerLoss
        /// The disk is gone.
        case diskLoss
    }

    public enum Kind: Sendable, Equatable {
        case crash(broker: Int, Crash)
        /// It does nothing, and goes on later as if nothing had been.
        case pause(broker: Int)
        /// These nodes hear nothing of the others, and the others nothing of them.
        case split([Int])
        /// What one node sends does not reach the other.
        case oneWay(from: Int, to: Int)
        /// So many in a hundred messages are lost.
        case loss(percent: Int)
        /// Messages take up to so long, in milliseconds.
        case delay(Int64)
        /// An operator wants another master.
        case switchMaster(to: Int)
    }

    public var at: Int64
    public var duration: Int64
    public var kind: Kind

    public var description: String { "\(at) ms, for \(duration) ms: \(kind)" }
}

/// One life of a group: everything in it follows from these values.
public struct Schedule: Sendable, CustomStringConvertible {
    public var seed: UInt64
    public var policy: ReplicaSetMachine.Policy
    public var brokers: Int
    public var flushesFirst: Bool
    /// Under `heartbeat`: whether an answer waits for a slave.
    public var waitsForSlave: Bool
    public var faults: [Fault]

    public static let nameservers = 3
    /// When the last fault is over, in milliseconds.
    static let faultsEnd: Int64 = 9000
    /// When the life is.
    static let end: Int64 = 17_000

    /// The schedule of a seed.
    public init(seed: UInt64, policy: ReplicaSetMachine.Policy) {
        var random = SeededRandom(seed: seed)
        self.seed = seed
        self.policy = policy
        brokers = 3 + random.below(3)
        if random.percent(50) { brokers = 3 }
        flushesFirst = random.percent(40)
        waitsForSlave = random.percent(50)
        faults = []
        for _ in 0..<(1 + random.below(9)) { faults.append(Self.fault(&random, brokers: brokers)) }
        faults.sort { $0.at < $1.at }
    }

    private static func fault(_ random: inout SeededRandom, brokers: Int) -> Fault {
        let at = random.from(400...7500)
        let duration = min(random.from(50...3500), faultsEnd - at)
        let nodes = brokers + nameservers + 1
        let kind: Fault.Kind
        switch random.below(100) {
        case 0..<12: kind = .crash(broker: random.below(brokers), .kill)
        case 12..<26: kind = .crash(broker: random.below(brokers), .powerLoss)
        case 26..<33: kind = .crash(broker: random.below(brokers), .diskLoss)
        case 33..<37: kind = .crash(broker: random.below(brokers), .stop)
        case 37..<52: kind = .pause(broker: random.below(brokers))
        case 52..<72:
            // The coordinator and the nameservers go with either side.
            kind = .split((0..<nodes).filter { _ in random.percent(35) })
        case 72..<82: kind = .oneWay(from: random.below(nodes), to: random.below(nodes))
        case 82..<87: kind = .loss(percent: 5 + random.below(50))
        case 87..<92: kind = .delay(random.from(20...600))
        default: kind = .switchMaster(to: random.below(brokers))
        }
        return Fault(at: at, duration: duration, kind: kind)
    }

    public var description: String {
        var text = "seed \(seed), \(policy.rawValue), \(brokers) brokers"
        text += flushesFirst ? ", acknowledged when synced" : ", acknowledged when written"
        if policy == .heartbeat, waitsForSlave { text += " twice" }
        for fault in faults { text += "\n  \(fault)" }
        return text
    }
}
