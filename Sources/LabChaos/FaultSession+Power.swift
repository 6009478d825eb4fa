import LabCluster
import LabInventory

/// Power loss: the one fault whose agent dies with its host. It is done and undone from outside, by the inventory's
/// commands; undo and timer are theirs, and written before the deed as an agent's are. That the host falls silent is seen at
/// once; that its disk lost what was not synced shows when it is back (`PowerWitness`).
extension FaultSession {
    func cutPower(at place: Int) async throws {
        guard let daemon = faults[place].order.powerless else {
            preconditionFailure("nobody is to lose power")
        }
        let (plan, host) = (faults[place].plan, daemon.host)
        if let reason = host.reasonAgainstPowerLoss {
            return perform(faults[place].machine.handle(.refused(reason: reason)), on: faults[place])
        }
        let witness = PowerWitness(uid: faults[place].uid, storePath: daemon.storePath)
        do {
            try await witness.leave(on: try cluster.fleet.link(host))
        } catch {
            let reason = "host '\(host.name)' takes nothing that could show the loss: \(error)"
            return perform(faults[place].machine.handle(.refused(reason: reason)), on: faults[place])
        }
        faults[place].witness = witness
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
        guard let silence else {
            let words = said.isEmpty ? "" : ", although its command said: \(said)"
            return .didNotBite(evidence: "the host still answers\(words)")
        }
        return .bit(evidence: "\(silence); \(said)")
    }

    func restorePower(at place: Int) async {
        let fault = faults[place]
        guard let host = fault.order.powerless?.host else {
            preconditionFailure("nobody has lost power")
        }
        let input: FaultMachine.Input
        do {
            var seen = try await cluster.powerOn(host)
            let elapsed = now() - fault.askedAt
            if let witness = fault.witness {
                let shown = await witness.look(on: try cluster.fleet.link(host))
                if !shown.didLose {
                    perform(faults[place].machine.handle(.didNotBite(evidence: shown.evidence)), on: faults[place])
                }
                seen += "; \(shown.evidence)"
            }
            input = Self.ending(seen: seen, afterNanoseconds: elapsed, of: fault.plan)
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
