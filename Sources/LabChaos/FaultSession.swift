import LabAgent
public import LabCluster
import LabInventory

/// The faults of one run: carries out on the hosts what `FaultMachine` decides, and tells every edge.
public actor FaultSession {
    struct Open {
        var order: FaultOrder
        var uid: String
        /// On the run's clock.
        var askedAt: Int64
        var machine: FaultMachine
        /// What is to show that a power cut took what was not synced.
        var witness: PowerWitness?

        var plan: FaultPlan { order.plan }
    }

    let cluster: Cluster
    let now: @Sendable () -> Int64
    private let seed: UInt64
    private let tell: @Sendable (FaultNews) -> Void
    /// In the order of injection; healed in the reverse one.
    var faults: [Open] = []

    private var lending: Lending { Lending(cluster.fleet) }

    /// Exchanges with a host for one calibration of its clock; it is taken anew for each edge, so that no drift adds up.
    static let clockSamples = 3

    /// - Parameters:
    ///   - seed: of the choice of targets.
    ///   - now: the run's clock, in nanoseconds since its beginning.
    ///   - tell: hears every edge when it becomes known.
    public init(
        cluster: Cluster, seed: UInt64, now: @escaping @Sendable () -> Int64,
        tell: @escaping @Sendable (FaultNews) -> Void
    ) {
        self.cluster = cluster
        self.seed = seed
        self.now = now
        self.tell = tell
    }

    /// Why hosts can't do what the plans ask of them, a line each; to be asked before the run.
    public static func refusals(
        of plans: [FaultPlan], on deployment: DeploymentPlan, in fleet: Fleet, seed: UInt64
    ) throws -> [String] {
        let lending = Lending(fleet)
        return try plans.flatMap {
            lending.refusals(of: try FaultOrder($0, on: Roster(deployment), seed: seed))
        }
    }

    /// Injects a fault and tells whether it bit.
    /// - Throws: `ChaosError` when a host did not answer for it; a fault that a host refused, or that did not bite,
    ///   is no error here: the checkers make the run inconclusive.
    public func inject(_ plan: FaultPlan) async throws {
        let order = try FaultOrder(plan, on: Roster(cluster.plan), seed: seed)
        // Unique on its hosts among the remains of earlier runs.
        let uid = "\(plan.id)-\(UInt32.random(in: 0...UInt32.max))"
        var fault = Open(order: order, uid: uid, askedAt: now(), machine: FaultMachine())
        perform(fault.machine.handle(.asked), on: fault)
        faults.append(fault)
        let place = faults.count - 1
        guard order.powerless == nil else { return try await cutPower(at: place) }
        do {
            faults[place].order = try await lending.prepared(order)
        } catch {
            return perform(faults[place].machine.handle(.refused(reason: "\(error)")), on: faults[place])
        }
        try await lend(at: place)
    }

    /// Lets the hosts' agents do it.
    private func lend(at place: Int) async throws {
        let (order, uid) = (faults[place].order, faults[place].uid)
        let outcomes = await lending.lend(order, uid: uid)
        let reports = outcomes.compactMap { try? $0.get() }
        guard reports.count == outcomes.count else { return try await giveUp(at: place, outcomes) }
        let reached = await lending.stillReached(order)
        let known = now()
        let armed = await times(reports.map(\.armedAt), of: order, notAfter: known)
        perform(
            faults[place].machine.handle(.armed), on: faults[place], at: armed.compactMap(\.self).first)
        let seen = await times(reports.map { $0.activeAt ?? $0.deedAt }, of: order, notAfter: known)
            .compactMap(\.self)
        var evidence = Self.evidence(reports, of: order)
        if !order.outside.isEmpty {
            evidence += "; the clients get no answer from \(order.outside.map(\.description).joined(separator: ", "))"
        }
        let input: FaultMachine.Input
        if let probe = reached.first {
            input = .didNotBite(evidence: "the clients still reach \(probe)")
        } else if reports.allSatisfy({ $0.bit == true }) {
            input = .bit(evidence: evidence + Self.spread(seen))
        } else {
            input = .didNotBite(evidence: evidence)
        }
        // It is there when the last host has it.
        perform(
            faults[place].machine.handle(input), on: faults[place],
            at: seen.max { $0.nanoseconds < $1.nanoseconds })
        // A deed that can't be undone is over when it is done: what follows is its consequence, not the fault.
        if reports.allSatisfy({ Self.needsNoUndo($0) }) { await heal(at: place) }
    }

    private static func needsNoUndo(_ report: FaultRecord) -> Bool {
        if case .processRestart = report.loan.kind { return report.bit == true }
        return if case .nothing = report.undo { report.bit == true } else { false }
    }

    /// Some host would not: the others give back what they lent, and when nobody has anything left it was refused.
    private func giveUp(at place: Int, _ outcomes: [Lending.Outcome]) async throws {
        let fault = faults[place]
        var reason: String?
        var isOpen = false
        for (part, outcome) in zip(fault.order.parts, outcomes) {
            let link = try cluster.fleet.link(part.host)
            switch outcome {
            case .success:
                let report = try? await link.agent.revertFault(fault.uid)
                isOpen = isOpen || report?.state != .healed
            case .failure(let error):
                reason = reason ?? "host '\(part.host.name)': \(error)"
                let failure = error as? AgentFailure ?? AgentFailure(.disconnected, "\(error)")
                let hasNothing = await hasNothing(of: fault.uid, on: link, after: failure)
                isOpen = isOpen || !hasNothing
            }
        }
        guard !isOpen else {
            throw ChaosError(
                .injectionFailed, "fault '\(fault.plan.id)' could not be injected: \(reason ?? "")")
        }
        perform(faults[place].machine.handle(.refused(reason: reason ?? "")), on: faults[place])
    }

    /// Whether a host that would not lend a fault certainly has nothing of it.
    private func hasNothing(of uid: String, on link: HostLink, after failure: AgentFailure) async -> Bool {
        switch failure.code {
        case .timedOut, .disconnected, .cancelled: return false
        default: break
        }
        guard let sweep: FaultSweep = try? await link.agent.faults(), sweep.failures.isEmpty else { return false }
        return !sweep.records.contains { (record: FaultRecord) in record.loan.uid == uid && record.state != .healed }
    }

    /// Undoes one fault now, and records whether it is gone.
    public func heal(_ id: String) async throws {
        guard let place = faults.firstIndex(where: { $0.plan.id == id }) else {
            throw ChaosError(.badPlan, "no fault '\(id)' to heal")
        }
        if faults[place].machine.isOpen { await heal(at: place) }
    }

    /// Undoes everything that is still open, the latest first.
    public func healAll() async {
        for place in faults.indices.reversed() where faults[place].machine.isOpen { await heal(at: place) }
    }

    private func heal(at place: Int) async {
        guard faults[place].order.powerless == nil else { return await restorePower(at: place) }
        let (order, uid) = (faults[place].order, faults[place].uid)
        let outcomes = await lending.revert(order, uid: uid)
        var failure: String?
        for (part, outcome) in zip(order.parts, outcomes) {
            guard case .failure(let error) = outcome else { continue }
            // Whoever cancels heals everything afterwards; what the host did is asked then.
            if let failure = error as? AgentFailure, failure.code == .cancelled { return }
            failure = failure ?? "host '\(part.host.name)': \(error)"
        }
        let reports = outcomes.compactMap { try? $0.get() }
        // Under another partition that is open, who is silent shows nothing of this one.
        let isCovered = faults.indices.contains {
            $0 != place && faults[$0].machine.isOpen && faults[$0].plan.kind.family == .network
        }
        let silent =
            failure == nil && !isCovered ? await lending.stillSilent(order, after: outcomes) : []
        let known = now()
        let input: FaultMachine.Input
        if let failure {
            input = .undoFailed(reason: failure)
        } else if !silent.isEmpty {
            input = .undoFailed(reason: "undone, and yet \(silent.joined(separator: ", "))")
        } else {
            input = Self.ending(reports, of: order)
        }
        let times = await times(reports.map(\.healedAt), of: order, notAfter: known).compactMap(\.self)
        perform(
            faults[place].machine.handle(input), on: faults[place],
            at: reports.count == outcomes.count ? times.max { $0.nanoseconds < $1.nanoseconds } : nil)
    }

    func perform(_ action: FaultMachine.Action, on fault: Open, at time: HostTime? = nil) {
        switch action {
        case .inject: record(fault, .asked, "ttl \(fault.plan.ttlSeconds) s", time)
        case .recordArmed: record(fault, .armed, "ttl \(fault.plan.ttlSeconds) s", time)
        case .recordRefused(let reason): record(fault, .refused, reason, time)
        case .recordActive(let evidence): record(fault, .active, evidence, time)
        case .recordIneffective(let evidence): record(fault, .didNotBite, evidence, time)
        case .recordHealed(let evidence): record(fault, .healed, evidence, time)
        case .recordExpired(let evidence): record(fault, .expired, evidence, time)
        case .recordStuck(let reason): record(fault, .stuck, reason, time)
        case .ignore: break
        }
    }

    private func record(_ fault: Open, _ edge: FaultNews.Edge, _ detail: String, _ time: HostTime?) {
        tell(
            FaultNews(
                uid: fault.uid, planID: fault.plan.id, kind: fault.plan.label, target: fault.order.target,
                edge: edge,
                detail: detail, time: time))
    }
}
