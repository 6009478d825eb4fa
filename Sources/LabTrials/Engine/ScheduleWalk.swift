import LabChaos
import LabHistory

/// Walks a trial's schedule from step to step while the load runs.
struct ScheduleWalk: Sendable {
    /// How often the load's counts are told while a phase lasts.
    static let tick = Duration.milliseconds(100)

    let plan: TrialPlan
    let faults: FaultSession
    let recorder: HistoryRecorder
    /// Opened when the first fault was injected.
    let firstFault: Gate
    let observe: @Sendable (TrialProgress) -> Void

    func run() async throws {
        for step in plan.schedule {
            try Task.checkCancellation()
            switch step {
            case .phase(let name, let seconds, _):
                recorder.record(.phase(name))
                observe(.phase(name, seconds: seconds))
                try await wait(seconds)
            case .inject(let fault):
                try await faults.inject(fault)
                firstFault.open()
            case .heal(let id):
                try await faults.heal(id)
            }
        }
    }

    private func wait(_ seconds: Double) async throws {
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            try await Task.sleep(until: min(end, ContinuousClock.now + Self.tick), clock: .continuous)
            observe(.load(recorder.tally))
        }
    }
}
