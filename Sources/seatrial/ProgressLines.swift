import LabHistory
import LabTrials

/// Tells a person what a trial is doing, a line for each thing, and the load's counts on a line that renews itself.
struct ProgressLines: Sendable {
    func show(_ progress: TrialProgress) {
        switch progress {
        case .folder(let folder):
            line("recording in \(folder.path)")
        case .step(let text):
            line(text)
        case .phase(let name, let seconds):
            line("load, \(name): \((seconds * 1000).rounded() / 1000) s")
        case .load(let tally):
            Terminal.ticker(
                "sent \(tally.invoked): \(tally.ok) ok, \(tally.weak) weak, \(tally.failed) failed, \(tally.unknown) unknown; delivered \(tally.delivered)"
            )
        case .fault(let edge):
            switch edge.edge {
            case .asked: break
            case .refused: line("fault \(edge.kind) on \(edge.target): REFUSED (\(edge.detail))")
            case .armed: line("fault \(edge.kind) on \(edge.target): the undo is on the host's disk (\(edge.detail))")
            case .active: line("fault \(edge.kind) on \(edge.target): it bit (\(edge.detail))")
            case .didNotBite: line("fault \(edge.kind) on \(edge.target): it did not bite (\(edge.detail))")
            case .healed: line("fault \(edge.kind) on \(edge.target): healed (\(edge.detail))")
            case .expired: line("fault \(edge.kind) on \(edge.target): EXPIRED before its heal (\(edge.detail))")
            case .stuck: line("fault \(edge.kind) on \(edge.target): STUCK (\(edge.detail))")
            }
        }
    }

    func end() { Terminal.endTicker() }

    private func line(_ text: String) {
        Terminal.endTicker()
        Terminal.progress(text)
    }
}
