import LabChaos
public import LabCluster
import LabInventory

extension TrialPlan {
    /// Numbers past which a plan is likelier a mistake than an intention.
    enum Limits {
        static let producers = 256
        static let queues = 1024
        static let bodyBytes = 4 * 1024 * 1024
        /// From one message in a quarter of an hour on.
        static let ratePerSecond = 0.001...100_000.0
        static let drainSeconds = 1.0...24 * 3600.0
        static let phaseSeconds = 24.0 * 3600
        static let tailSeconds = 0.0...3600.0
        static let outageSeconds = 0.0...3600.0
    }

    /// Refuses a plan that can't be run, before a host is touched.
    /// - Throws: `TrialError` `.badPlan` that names the field and what it takes.
    public func validate(against deployment: DeploymentPlan) throws(TrialError) {
        try check(1...Limits.producers, workload.producers, "workload.producers")
        try check(1...Limits.producers, workload.consumers, "workload.consumers")
        try check(1...Limits.queues, topic.queues, "topic.queues")
        try check(1...Limits.bodyBytes, workload.bodyBytes, "workload.body_bytes")
        try check(Limits.ratePerSecond, workload.ratePerSecond, "workload.rate_per_second")
        try check(Limits.drainSeconds, drainTimeoutSeconds, "drain_timeout_seconds")
        if let tail = promises.tailSeconds {
            try check(Limits.tailSeconds, tail, "promises.tail_seconds")
            guard promises.lost == .measured else {
                throw TrialError(
                    .badPlan, "promises.tail_seconds: it bounds a loss that 'lost: none' forbids (take one of them out)"
                )
            }
        }
        if let outage = promises.outageSeconds {
            try check(Limits.outageSeconds, outage, "promises.outage_seconds")
        }
        if promises.mustShow.contains(.loss), promises.lost == .none {
            throw TrialError(
                .badPlan, "promises.must_show: a loss has to be shown that 'lost: none' forbids (take one of them out)")
        }
        var open: Set<String> = []
        var known: Set<String> = []
        try validateDurations()
        for (place, step) in schedule.enumerated() {
            switch step {
            case .phase(let name, let seconds, let upTo):
                for seconds in [seconds, upTo ?? seconds] {
                    guard seconds >= 0, seconds <= Limits.phaseSeconds else {
                        throw TrialError(
                            .badPlan,
                            "schedule[\(place)]: phase '\(name)' of \(seconds) s (0 to \(Limits.phaseSeconds))")
                    }
                }
                guard upTo ?? seconds >= seconds else {
                    throw TrialError(
                        .badPlan,
                        "schedule[\(place)]: phase '\(name)' of \(seconds) s, up_to \(upTo ?? 0) (not below its seconds)"
                    )
                }
            case .inject(let fault):
                guard known.insert(fault.id).inserted else {
                    throw TrialError(.badPlan, "schedule[\(place)]: two faults are called '\(fault.id)'")
                }
                open.insert(fault.id)
                try validate(fault, at: place, against: deployment)
            case .heal(let id):
                guard open.remove(id) != nil else {
                    let way =
                        known.contains(id) ? "it is healed already" : "known: \(known.sorted().joined(separator: ", "))"
                    throw TrialError(.badPlan, "schedule[\(place)]: heal: no open fault '\(id)' (\(way))")
                }
            }
        }
    }

    /// Refuses a fault that would end by itself before its planned heal: what the run then proves is nothing that was
    /// planned.
    func validateDurations() throws(TrialError) {
        for (place, step) in schedule.enumerated() {
            guard case .inject(let fault) = step, fault.isUndone else { continue }
            var openSeconds = 0.0
            var end = "the end of the schedule"
            walk: for later in schedule[(place + 1)...] {
                switch later {
                case .phase(_, let seconds, let upTo): openSeconds += upTo ?? seconds
                case .heal(fault.id):
                    end = "its heal"
                    break walk
                case .inject, .heal: break
                }
            }
            guard fault.ttlSeconds > openSeconds else {
                throw TrialError(
                    .badPlan,
                    "schedule[\(place)]: fault '\(fault.id)' has ttl_seconds \(fault.ttlSeconds), but \(end) is "
                        + "\(openSeconds) s after it: it would end by itself (raise ttl_seconds above that)")
            }
        }
    }

    private func validate(
        _ fault: FaultPlan, at place: Int, against deployment: DeploymentPlan
    ) throws(TrialError) {
        if fault.kind == .processSignal, fault.signal.flatMap({ SignalName.number($0) }) == nil {
            throw TrialError(
                .badPlan,
                "schedule[\(place)]: signal: '\(fault.signal ?? "")' (a process-signal needs one of \(SignalName.known))"
            )
        }
        // The addresses are of no account here: whatever the seed, everybody who may be struck has to allow it.
        let struck: [InventoryHost]
        do throws(ChaosError) {
            struck = try fault.everybodyStruck(on: Roster(deployment))
        } catch {
            throw TrialError(.badPlan, "schedule[\(place)]: \(error.message)")
        }
        guard fault.ttlSeconds > 0, fault.ttlSeconds <= Limits.phaseSeconds else {
            throw TrialError(.badPlan, "schedule[\(place)]: ttl_seconds: \(fault.ttlSeconds) (above 0)")
        }
        if fault.kind == .powerLoss, let reason = struck.compactMap(\.reasonAgainstPowerLoss).first {
            throw TrialError(.badPlan, "schedule[\(place)]: fault '\(fault.id)' is a power-loss, and \(reason)")
        }
        if fault.kind == .powerLoss, workload.reading != .drain {
            throw TrialError(
                .badPlan,
                "schedule[\(place)]: fault '\(fault.id)' is a power-loss, which needs workload.reading: drain (what a "
                    + "consumer is given before the cut counts as delivered, and that the disk lost it would show nowhere)"
            )
        }
        if fault.kind == .diskFull, let reason = struck.compactMap(\.reasonAgainstDiskFaults).first {
            throw TrialError(.badPlan, "schedule[\(place)]: fault '\(fault.id)' is a disk-full, and \(reason)")
        }
    }

    private func check<Number: Comparable & Sendable>(
        _ range: ClosedRange<Number>, _ value: Number, _ field: String
    ) throws(TrialError) {
        guard range.contains(value) else {
            throw TrialError(.badPlan, "\(field): \(value) (\(range.lowerBound) to \(range.upperBound))")
        }
    }
}
