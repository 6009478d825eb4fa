public import LabChaos

/// A trial as data: which cluster, which load, what is done to it, and what must hold.
///
/// Decoded from the `trial:` part of a `lab.yaml`, or from a file of its own (`labs/trials/`). A plan is valid by itself: `validate()` refuses what the engine
/// could not run, before a host is touched.
public struct TrialPlan: Sendable, Equatable, Decodable {
    /// Name of a file in `labs/modes/`, without `.yaml`.
    public var mode: String
    public var topic: TopicPlan
    public var workload: WorkloadPlan
    public var schedule: [TrialStep]
    public var drainTimeoutSeconds: Double
    public var promises: PromisePlan

    enum CodingKeys: String, CodingKey, CaseIterable {
        case mode, topic, workload, schedule, promises
        case drainTimeoutSeconds = "drain_timeout_seconds"
    }
}

public struct TopicPlan: Sendable, Equatable, Decodable {
    public var name: String
    public var queues: Int

    public init(name: String, queues: Int) {
        self.name = name
        self.queues = queues
    }
}

public struct WorkloadPlan: Sendable, Equatable, Decodable {
    public var producers: Int
    /// Sends a second of each producer; a send that is slower than its turn delays the next, none is dropped.
    public var ratePerSecond: Double
    public var bodyBytes: Int
    public var consumers: Int
    /// When the consumers read; `live` unless the plan says otherwise.
    public var reading: Reading

    public enum Reading: String, Sendable, Equatable, Decodable {
        /// From the first send on, as an application would.
        case live
        /// From the first fault on: what was sent before it is backlog then, and shows whether reading goes on.
        case late
        /// Only the drain reads, once the last message was sent: everything is backlog until then, and hangs on what
        /// the brokers keep.
        case drain
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        producers = try container.decode(Int.self, forKey: .producers)
        ratePerSecond = try container.decode(Double.self, forKey: .ratePerSecond)
        bodyBytes = try container.decode(Int.self, forKey: .bodyBytes)
        consumers = try container.decode(Int.self, forKey: .consumers)
        reading = try container.decodeIfPresent(Reading.self, forKey: .reading) ?? .live
    }

    public init(producers: Int, ratePerSecond: Double, bodyBytes: Int, consumers: Int, reading: Reading = .live) {
        self.producers = producers
        self.ratePerSecond = ratePerSecond
        self.bodyBytes = bodyBytes
        self.consumers = consumers
        self.reading = reading
    }

    enum CodingKeys: String, CodingKey {
        case producers, consumers, reading
        case ratePerSecond = "rate_per_second"
        case bodyBytes = "body_bytes"
    }
}

extension TrialPlan {
    /// The schedule's faults, in its order.
    public var injected: [FaultPlan] {
        schedule.compactMap { step in
            if case .inject(let fault) = step { fault } else { nil }
        }
    }

    /// The plan with the length of each phase chosen by the seed, where the plan leaves it open.
    func drawn(seed: UInt64) -> TrialPlan {
        var random = SplitMix64(state: seed)
        var plan = self
        plan.schedule = schedule.map { step in
            guard case .phase(let name, let seconds, let upTo?) = step, upTo > seconds else { return step }
            return .phase(name, seconds: Double.random(in: seconds...upTo, using: &random))
        }
        return plan
    }
}

/// One line of a schedule.
public enum TrialStep: Sendable, Equatable, Decodable {
    /// Let the load run for so long under this name; `upTo` makes the seed choose between the two, so that a fault does not
    /// always strike at the same moment of a flush.
    case phase(String, seconds: Double, upTo: Double? = nil)
    case inject(FaultPlan)
    /// Undo the fault of this id now, and verify that it is gone.
    case heal(String)

    enum CodingKeys: String, CodingKey {
        case phase, seconds, fault, heal
        case upTo = "up_to"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if let name = try container.decodeIfPresent(String.self, forKey: .phase) {
            self = .phase(
                name, seconds: try container.decode(Double.self, forKey: .seconds),
                upTo: try container.decodeIfPresent(Double.self, forKey: .upTo))
        } else if let fault = try container.decodeIfPresent(FaultPlan.self, forKey: .fault) {
            self = .inject(fault)
        } else if let id = try container.decodeIfPresent(String.self, forKey: .heal) {
            self = .heal(id)
        } else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "expected one of phase, fault, heal"))
        }
    }
}

/// What the trial holds the cluster to.
public struct PromisePlan: Sendable, Equatable, Decodable {
    /// `none`: no acknowledged message may be lost. `measured`: loss is permitted and counted, as far as it is the tail
    /// of a broker's log.
    public var lost: Loss
    /// With `measured`: how long before its fault a lost message may have been acknowledged at most, which is what the
    /// flush interval and one flush take; nil for no bound in time.
    public var tailSeconds: Double?
    /// How long sending may fail because of a fault: the longest outage of a round, at p99 over the rounds; nil for no bound.
    public var outageSeconds: Double?
    /// What has to be seen in at least one round, for the rounds together to prove anything.
    public var mustShow: [Showing]

    public enum Loss: String, Sendable, Equatable, Decodable { case none, measured }

    enum CodingKeys: String, CodingKey {
        case lost
        case tailSeconds = "tail_seconds"
        case outageSeconds = "outage_seconds"
        case mustShow = "must_show"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        lost = try container.decode(Loss.self, forKey: .lost)
        outageSeconds = try container.decodeIfPresent(Double.self, forKey: .outageSeconds)
        tailSeconds = try container.decodeIfPresent(Double.self, forKey: .tailSeconds)
        mustShow = try container.decodeIfPresent([Showing].self, forKey: .mustShow) ?? []
    }

    public init(
        lost: Loss, tailSeconds: Double? = nil, outageSeconds: Double? = nil, mustShow: [Showing] = []
    ) {
        self.lost = lost
        self.tailSeconds = tailSeconds
        self.outageSeconds = outageSeconds
        self.mustShow = mustShow
    }
}
