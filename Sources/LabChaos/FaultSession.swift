import LabAgent
public import LabCluster
import LabInventory

/// The faults of one run: carries out on the hosts what `FaultMachine` decides, and tells every edge.
public actor FaultSession {
    struct Open {
        var plan: FaultPlan
        var uid: String
        var daemon: DaemonPlan
        /// On the run's clock.
        var askedAt: Int64
        var machine: FaultMachine
        /// What is to show that a power cut took what was not synced.
        var witness: PowerWitness?
    }

    let cluster: Cluster
    let now: @Sendable () -> Int64
    private let tell: @Sendable (FaultNews) -> Void
    /// In the order of injection; healed in the reverse one.
    var faults: [Open] = []

    /// Exchanges with a host for one calibration of its clock; it is taken anew for each edge, so that no drift adds up.
    static let clockSamples = 3

    /// - Parameters:
    ///   - now: the run's clock, in nanoseconds since its beginning.
    ///   - tell: hears every edge when it becomes known.
    public init(
        cluster: Cluster, now: @escaping @Sendable () -> Int64, tell: @escaping @Sendable (FaultNews) -> Void
    ) {
        self.cluster = cluster
        self.now = now
        self.tell = tell
    }

    /// Injects a fault and tells whether it bit.
    /// - Throws: `ChaosError` when the host did not answer for it; a fault that the host refused, or that did not bite,
    ///   is no error here: the checkers make the run inconclusive.
    public func inject(_ plan: FaultPlan) async throws {
        guard let daemon = cluster.plan.daemon(named: plan.target) else {
            throw ChaosError(.badPlan, "no daemon '\(plan.target)' to strike")
        }
        // Unique on its host among the remains of earlier runs.
        let uid = "\(plan.id)-\(UInt32.random(in: 0...UInt32.max))"
        let kind = try Self.kind(plan, daemon)
        var fault = Open(plan: plan, uid: uid, daemon: daemon, askedAt: now(), machine: FaultMachine())
        perform(fault.machine.handle(.asked), on: fault)
        faults.append(fault)
        let place = faults.count - 1
        if let kind {
            let loan = FaultLoan(uid: uid, kind: kind, ttlMilliseconds: Int64(plan.ttlSeconds * 1000))
            try await lend(loan, at: place)
        } else {
            try await cutPower(at: place)
        }
    }

    /// Lets the host's agent do it.
    private func lend(_ loan: FaultLoan, at place: Int) async throws {
        let (plan, uid, daemon) = (faults[place].plan, loan.uid, faults[place].daemon)
        let link = try cluster.fleet.link(daemon.host)
        let report: FaultRecord
        do {
            report = try await link.agent.injectFault(loan)
        } catch {
            if await hasNothing(of: uid, on: link, after: error) {
                return perform(faults[place].machine.handle(.refused(reason: "\(error)")), on: faults[place])
            }
            throw ChaosError(
                .injectionFailed, "host '\(daemon.host.name)': fault '\(plan.id)' could not be injected: \(error)")
        }
        let known = now()
        let armedTime = await time(of: report.armedAt, on: link, notAfter: known)
        perform(faults[place].machine.handle(.armed), on: faults[place], at: armedTime)
        let input: FaultMachine.Input =
            report.bit == true ? .bit(evidence: Self.evidence(report)) : .didNotBite(evidence: Self.evidence(report))
        let time = await time(of: report.activeAt ?? report.deedAt, on: link, notAfter: known)
        perform(faults[place].machine.handle(input), on: faults[place], at: time)
        // A deed that can't be undone is over when it is done: what follows is its consequence, not the fault.
        if case .nothing = report.undo, report.bit == true { await heal(at: place) }
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
        guard faults[place].plan.kind != .powerLoss else { return await restorePower(at: place) }
        let fault = faults[place]
        let input: FaultMachine.Input
        var time: HostTime?
        do {
            let link = try cluster.fleet.link(fault.daemon.host)
            let report = try await link.agent.revertFault(fault.uid)
            let known = now()
            input = Self.ending(report)
            time = await self.time(of: report.healedAt, on: link, notAfter: known)
        } catch {
            // Whoever cancels heals everything afterwards; what the host did is asked then.
            if let failure = error as? AgentFailure, failure.code == .cancelled { return }
            input = .undoFailed(reason: "\(error)")
        }
        perform(faults[place].machine.handle(input), on: faults[place], at: time)
    }

    /// What a host's answer to a heal means: it was undone now, was undone by its timer before, or is not undone.
    static func ending(_ report: FaultRecord) -> FaultMachine.Input {
        guard report.state == .healed else { return .undoFailed(reason: evidence(report)) }
        return report.expired == true ? .expired(evidence: evidence(report)) : .undone(evidence: evidence(report))
    }

    /// A host's reading of its clock, on the run's; nil when there is none, or when the host can't be asked any more.
    private func time(of host: Int64?, on link: HostLink, notAfter known: Int64) async -> HostTime? {
        guard let host else { return nil }
        var samples: [ClockCalibration.Sample] = []
        for _ in 0..<Self.clockSamples {
            let sent = now()
            guard let clock = try? await link.agent.clock() else { return nil }
            samples.append(.init(sent: sent, host: clock.realtimeNanoseconds, received: now()))
        }
        return ClockCalibration(samples: samples).map { HostTime(host: host, $0, notAfter: known) }
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

    /// What the daemon's host is asked for; nil for what is done to the host from outside.
    private static func kind(_ plan: FaultPlan, _ daemon: DaemonPlan) throws(ChaosError) -> FaultKind? {
        switch plan.kind {
        case .processSignal:
            guard let name = plan.signal, let number = SignalName.number(name) else {
                throw ChaosError(
                    .badPlan, "fault '\(plan.id)': signal '\(plan.signal ?? "")' is none of \(SignalName.known)")
            }
            return .processSignal(daemon: daemon.name, signal: number)
        case .storeWipe: return .storeWipe(path: daemon.storePath)
        case .diskFull: return .diskFull(path: daemon.storePath)
        case .powerLoss: return nil
        }
    }

    /// What the host itself saw, in its own words where it has some.
    private static func evidence(_ record: FaultRecord) -> String {
        if let message = record.message { return message }
        if let healed = record.healedAt { return "gone \((healed - record.armedAt) / 1_000_000) ms after it was armed" }
        if let deed = record.deedAt, let active = record.activeAt {
            return "seen \((active - deed) / 1_000_000) ms after the deed"
        }
        return record.bit == false ? "no effect was seen" : record.state.rawValue
    }

    /// `broker-a on n2`: how histories and reports name whom a fault strikes.
    public static func target(_ daemon: DaemonPlan) -> String { "\(daemon.name) on \(daemon.host.name)" }

    private func record(_ fault: Open, _ edge: FaultNews.Edge, _ detail: String, _ time: HostTime?) {
        tell(
            FaultNews(
                uid: fault.uid, planID: fault.plan.id, kind: fault.plan.label, target: Self.target(fault.daemon),
                edge: edge, detail: detail, time: time))
    }
}
