import LabChaos
import LabTrials

/// A trial's schedule as `--dry-run` prints it.
struct ScheduleText: CustomStringConvertible {
    private let plan: TrialPlan

    init(_ plan: TrialPlan) { self.plan = plan }

    var description: String {
        var lines = [
            "load on topic '\(plan.topic.name)' (\(plan.topic.queues) queues): \(plan.workload.producers) producers at \(plan.workload.ratePerSecond)/s each, \(plan.workload.bodyBytes) B bodies, \(plan.workload.consumers) consumer(s)",
            "schedule:",
        ]
        for step in plan.schedule {
            switch step {
            case .phase(let name, let seconds, let upTo):
                lines.append("  \(name): load for \(seconds) s\(upTo.map { " to \($0) s, by the seed" } ?? "")")
            case .inject(let fault):
                lines.append(
                    "  fault '\(fault.id)': \(fault.kind.rawValue) \(fault.signal ?? "") on \(fault.target), undone by the host itself after \(fault.ttlSeconds) s"
                )
            case .heal(let id): lines.append("  heal '\(id)' and see that it is gone")
            }
        }
        lines.append(
            "drain: read every queue to its end, \(plan.drainTimeoutSeconds) s at most; then scan every replica's commit log"
        )
        if !plan.promises.mustShow.isEmpty {
            let names = plan.promises.mustShow.map(\.text).joined(separator: ", ")
            lines.append("over all rounds there must be \(names)")
        }
        return lines.joined(separator: "\n")
    }
}
