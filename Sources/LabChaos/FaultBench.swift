public import LabAgent
public import LabCluster
public import LabInventory
public import SystemPackage

/// Faults by hand: on whatever is deployed on some hosts, without a run.
///
/// Nothing of a fault is remembered here. What is lent stands on the hosts, which undo it by themselves when its time is over.
public struct FaultBench: Sendable {
    public let fleet: Fleet
    public let roster: Roster

    /// A fault that is there.
    public struct Applied: Sendable, Encodable {
        public var uid: String
        public var fault: String
        public var target: String
        public var hosts: [Host]
        /// What this machine's clients get no answer from any more.
        public var silentHere: [String]
        /// How long it took, from the first look at peers to the last proof that it bites.
        public var milliseconds: Double

        public struct Host: Sendable, Encodable {
            public var host: String
            public var record: FaultRecord
        }
    }

    /// Connects to hosts and asks what runs there.
    /// - Parameter looksOnly: leaves a host that has nothing of the lab as it is; nothing can be lent there then.
    public static func open(_ hosts: [InventoryHost], agent: FilePath, looksOnly: Bool = false)
        async throws
        -> FaultBench
    {
        var deployed = hosts
        if looksOnly {
            let found = await Concurrently.map(hosts) { try await HostLink.hasAgent($0) }
            deployed = try zip(hosts, found).filter { try $1.get() }.map(\.0)
        }
        let fleet = try await Fleet.open(deployed, agent: agent)
        do {
            return FaultBench(
                fleet: fleet,
                roster: Roster(daemons: try await fleet.deployedDaemons(on: deployed), more: hosts))
        } catch {
            await fleet.close()
            throw error
        }
    }

    /// Refuses what hosts can't do; lends; gives everything back where not all of it bit.
    /// - Throws: `ChaosError`, with nothing left on any host that answers.
    public func apply(_ order: FaultOrder) async throws -> Applied {
        if order.powerless != nil {
            throw ChaosError(
                .badPlan, "a host's power is cut by 'seatrial hosts power off', or in a trial")
        }
        let lending = Lending(fleet)
        let start = ContinuousClock.now
        let refusals = lending.refusals(of: order)
        guard refusals.isEmpty else { throw ChaosError(.badPlan, refusals.joined(separator: "; ")) }
        let prepared = try await lending.prepared(order)
        let uid = "\(order.plan.id)-\(UInt32.random(in: 0...UInt32.max))"
        let outcomes = await lending.lend(prepared, uid: uid)
        var problems: [String] = []
        var lent: [Applied.Host] = []
        for (part, outcome) in zip(prepared.parts, outcomes) {
            switch outcome {
            case .success(let record):
                lent.append(Applied.Host(host: part.host.name, record: record))
                if record.bit != true {
                    problems.append("host '\(part.host.name)': \(record.message ?? "no effect was seen")")
                }
            case .failure(let error): problems.append("host '\(part.host.name)': \(error)")
            }
        }
        problems += await lending.stillReached(prepared).map { "from here \($0) still answers" }
        guard problems.isEmpty else {
            let left = await undo(lent.map(\.host), uid: uid)
            let rest =
                left.isEmpty
                ? "nothing of it is left" : "and not all is undone: \(left.joined(separator: "; "))"
            throw ChaosError(
                .injectionFailed, "it did not take effect: \(problems.joined(separator: "; ")); \(rest)")
        }
        return Applied(
            uid: uid, fault: order.plan.label, target: order.target, hosts: lent,
            silentHere: prepared.outside.map(\.description),
            milliseconds: start.duration(to: .now) / .milliseconds(1))
    }

    private func undo(_ hosts: [String], uid: String) async -> [String] {
        let found = await Concurrently.map(roster.hosts.filter { hosts.contains($0.name) }) {
            host -> String? in
            let record = try await fleet.link(host).agent.revertFault(uid)
            return record.state == .healed
                ? nil : "host '\(host.name)': \(record.message ?? record.state.rawValue)"
        }
        return found.compactMap { result in
            switch result {
            case .success(let line): line
            case .failure(let error): "\(error)"
            }
        }
    }

    /// What a heal came to.
    public struct Healing: Sendable, Encodable {
        /// What the hosts now say of the fault; of all that were open where no uid was given.
        public var sweeps: [FaultSweepOfHost]
        /// A line for each host that could not be asked.
        public var away: [String]
        /// From the first host's being asked to the last one's answer.
        public var milliseconds: Double
    }

    /// Undoes one fault wherever it is, or every one.
    ///
    /// A host that can't be reached keeps no other from being healed. All are asked at once, when all are connected: hosts'
    /// parts of a partition each wait for the others'.
    /// - Throws: `ChaosError` for a uid that no host knows.
    public static func heal(_ uid: String?, on hosts: [InventoryHost], agent: FilePath) async throws -> Healing {
        let opened = await Concurrently.map(hosts) { host -> HostLink? in
            try await HostLink.hasAgent(host) ? try await HostLink.open(host, agent: agent) : nil
        }
        var links: [HostLink] = []
        var away: [String] = []
        for result in opened {
            switch result {
            case .success(let link?): links.append(link)
            case .success(nil): break
            case .failure(let error): away.append("\(error)")
            }
        }
        let start = ContinuousClock.now
        let healed = await Concurrently.map(links) { try await heal(uid, through: $0.agent) }
        let time = start.duration(to: .now) / .milliseconds(1)
        _ = await Concurrently.map(links) { await $0.close() }
        var sweeps: [FaultSweepOfHost] = []
        for (link, result) in zip(links, healed) {
            switch result {
            case .success(let sweep): sweeps.append(FaultSweepOfHost(host: link.host.name, sweep: sweep))
            case .failure(let error): away.append("host '\(link.host.name)': \(error)")
            }
        }
        if let uid, away.isEmpty, sweeps.allSatisfy({ $0.sweep.records.isEmpty && $0.sweep.failures.isEmpty }) {
            throw ChaosError(
                .badPlan, "no host knows a fault '\(uid)': 'seatrial fault list' shows those that there are")
        }
        return Healing(sweeps: sweeps, away: away, milliseconds: time)
    }

    private static func heal(_ uid: String?, through agent: AgentClient) async throws -> FaultSweep {
        guard let uid else {
            let open = try await agent.faults().records.filter { (record: FaultRecord) in record.state != .healed }
            var sweep: FaultSweep = try await agent.healAllFaults()
            // What was over before is not this call's doing.
            let uids = open.map(\.loan.uid)
            sweep.records = sweep.records.filter { uids.contains($0.loan.uid) || $0.state != .healed }
            return sweep
        }
        let isKnown = try await agent.faults().records.contains { (record: FaultRecord) in
            record.loan.uid == uid
        }
        return FaultSweep(records: isKnown ? [try await agent.revertFault(uid)] : [], failures: [])
    }
}

/// The faults of one host.
public struct FaultSweepOfHost: Sendable, Encodable {
    public var host: String
    public var sweep: FaultSweep

    public init(host: String, sweep: FaultSweep) {
        self.host = host
        self.sweep = sweep
    }

    /// Whether something is still there, or can't be told to be gone.
    public var isOpen: Bool {
        !sweep.failures.isEmpty || sweep.records.contains { $0.state != .healed }
    }
}
