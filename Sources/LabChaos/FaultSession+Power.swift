import LabCluster
import LabInventory

/// Power loss: the one fault whose agent dies with its host. It is done and undone from outside, by the inventory's
/// commands; undo and timer are theirs, and written before the deed as an agent's are.
extension FaultSession {
    func cutPower(at place: Int) async throws {
        let (plan, host) = (faults[place].plan, faults[place].daemon.host)
        if let reason = host.reasonAgainstPowerLoss {
            return perform(faults[place].machine.handle(.refused(reason: reason)), on: faults[place])
        }
        let before = now()
        let said: String
        do {
            said = try await cluster.powerOff(host, seconds: plan.ttlSeconds)
        } catch {
            // It may be off, or half way: the fault stays open, and whoever heals brings the power back.
            throw ChaosError(
                .injectionFailed, "host '\(host.name)': fault '\(plan.id)' could not be injected: \(error)")
        }
        let after = now()
        // The host can't tell when it went: some time while the command ran.
        let time = HostTime(nanoseconds: after, errorNanoseconds: after - before)
        perform(
            faults[place].machine.handle(.armed), on: faults[place],
            at: HostTime(nanoseconds: before, errorNanoseconds: 0))
        let silence = await cluster.silence(of: host)
        perform(faults[place].machine.handle(Self.bite(said: said, silence: silence)), on: faults[place], at: time)
    }

    /// What was seen after the command that cuts the power came back.
    static func bite(said: String, silence: String?) -> FaultMachine.Input {
        guard let silence else { return .didNotBite(evidence: "the host still answers, although: \(said)") }
        return .bit(evidence: "\(silence); \(said)")
    }

    func restorePower(at place: Int) async {
        let fault = faults[place]
        let input: FaultMachine.Input
        do {
            let seen = try await cluster.powerOn(fault.daemon.host)
            input = Self.ending(seen: seen, afterNanoseconds: now() - fault.askedAt, of: fault.plan)
        } catch {
            // Whoever cancels heals everything afterwards.
            if Task.isCancelled { return }
            input = .undoFailed(reason: "\(error)")
        }
        perform(faults[place].machine.handle(input), on: faults[place])
    }

    /// Whether the heal brought the power back, or the loan's own end may have: then it is nobody's heal.
    static func ending(seen: String, afterNanoseconds elapsed: Int64, of plan: FaultPlan) -> FaultMachine.Input {
        Double(elapsed) < plan.ttlSeconds * 1e9 ? .undone(evidence: seen) : .expired(evidence: seen)
    }
}
