/// Whether the run did what was planned.
///
/// A history shows what happened; only its plan can show what did not. So the plan stands at its beginning, and a run
/// that came to its end is held against it:
///
/// 1. *Plan missing*: the header tells of no plan, or of more lines than there are. Nothing that is missing could be
///    noticed, so the run proves nothing.
/// 2. *Fault unproven*: a planned fault has no line, or its lines tell of another deed or another target.
///
/// A planned scan that is missing is `LossChecker`'s, and so is a queue that nobody drained. A run that broke off did
/// not do what it planned, which `ProofChecker` tells.
struct PlanChecker: Checker {
    mutating func consume(_ sighting: Sighting, at moment: Moment, _ known: Known) {
        // The run's record keeps all that this question needs.
    }

    func conclude(_ known: Known) -> [Finding] {
        guard let header = known.run.header, known.run.end?.end.completed == true else { return [] }
        return missing(header, known.run, known.rules) + known.run.plannedFaults.compactMap { unproven($0, known) }
    }

    private func missing(_ header: RunHeader, _ run: RunRecord, _ rules: Rules) -> [Finding] {
        guard rules.has(.planMissing) else { return [] }
        let why: String
        if let plan = header.plan {
            guard plan.faults != run.plannedFaults.count || plan.scans != run.plannedScans.count else { return [] }
            why =
                "the header tells of \(plan.faults) planned faults and \(plan.scans) planned scans, and the history has "
                + "\(run.plannedFaults.count) and \(run.plannedScans.count) of them"
        } else {
            why = "the history does not say what was planned (its format is \(header.formatVersion))"
        }
        return [
            Finding(
                anomaly: .planMissing, status: .inconclusive, count: 1, rule: .required,
                summary: "\(why); run it again", witness: Witness(story: ["\(why)."], lines: [1]))
        ]
    }

    private func unproven(_ planned: PlannedFault, _ known: Known) -> Finding? {
        guard known.rules.has(.plannedFault) else { return nil }
        let name = "fault \(planned.id) (\(planned.kind) on \(planned.target))"
        let seen = known.run.faults.filter { $0.planID == planned.id }
        guard !seen.contains(where: { $0.kind == planned.kind && $0.target == planned.target }) else { return nil }
        let instead = seen.first.map { "it was \($0.name) instead" } ?? "the history has no line of it"
        return Finding(
            anomaly: .faultUnproven, status: .inconclusive, count: 1, rule: .required,
            summary: "\(name) was planned, and \(instead); run it again",
            witness: Witness(
                story: ["\(name) was planned, and \(instead)."], lines: [1] + (seen.first?.edges.map(\.line) ?? [])))
    }
}
