import LabChaos
import LabCluster
import LabTrials

/// A trial's schedule as `--dry-run` prints it.
struct ScheduleText: CustomStringConvertible {
    private let plan: TrialPlan
    /// The faults as hosts are asked for them, by id.
    private let orders: [String: FaultOrder]

    /// - Throws: `ChaosError` for a fault that can't be done there.
    init(_ plan: TrialPlan, on deployment: DeploymentPlan, seed: UInt64) throws {
        self.plan = plan
        var orders: [String: FaultOrder] = [:]
        for fault in plan.injected {
            orders[fault.id] = try FaultOrder(fault, on: Roster(deployment), seed: seed)
        }
        self.orders = orders
    }

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
                lines += (orders[fault.id]?.text() ?? "").split(separator: "\n").map { "  \($0)" }
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
