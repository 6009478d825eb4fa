public import LabHistory

/// Judges the rounds of one plan together: the worst of them, and what no one of them has shown.
///
/// A round that broke counts like one that was judged to be an error; what the others showed still stands.
public struct RoundsJudge: Sendable {
    private let mustShow: [Showing]
    /// The longest outage that is promised, in seconds.
    private let outageBound: Double?
    public private(set) var outages = OutageFigures()
    private var worst = VerdictStatus.pass
    private var shown: Set<Showing> = []
    private var rounds = 0

    public init(_ plan: TrialPlan) {
        mustShow = plan.promises.mustShow
        outageBound = plan.promises.outageSeconds
    }

    /// Takes the verdict of a round.
    public mutating func take(_ verdict: Verdict) {
        rounds += 1
        worst = worst.merged(with: verdict.status)
        // What a run shows that proves nothing may be its gap.
        guard verdict.status == .pass || verdict.status == .fail else { return }
        outages.take(verdict)
        for showing in mustShow where showing.isShown(by: verdict) { shown.insert(showing) }
    }

    /// Takes note of a round that the lab could not bring to its end.
    public mutating func takeBroken() {
        rounds += 1
        worst = worst.merged(with: .error)
    }

    /// What the plan asks for and no round has shown, in the plan's order.
    public var missing: [Showing] { rounds == 0 ? [] : mustShow.filter { !shown.contains($0) } }

    /// Of all rounds; inconclusive where they passed and something was not shown, and fail where their outages were too long.
    public var status: VerdictStatus {
        let shown = missing.isEmpty ? worst : worst.merged(with: .inconclusive)
        return tooLong == nil ? shown : shown.merged(with: .fail)
    }

    /// One line on what the rounds lack, with the way out; nil where they lack nothing.
    public var complaint: String? {
        let lines = [tooLong, notShown].compactMap(\.self)
        return lines.isEmpty ? nil : lines.joined(separator: "; ")
    }

    private var tooLong: String? {
        guard let outageBound, let p99 = outages.seconds(percentile: 99), p99 > outageBound else { return nil }
        let length = p99.isFinite ? "of \(OutageFigures.text(p99)) s" : "without an end"
        return
            "an outage \(length) at p99, where the plan promises \(OutageFigures.text(outageBound)) s (promises.outage_seconds)"
    }

    private var notShown: String? {
        guard !missing.isEmpty else { return nil }
        let names = missing.map(\.text).joined(separator: ", ")
        let count = rounds == 1 ? "the one round" : "\(rounds) rounds"
        return
            "not shown in \(count): \(names), which the plan asks for (promises.must_show); run more rounds, or look at "
            + "the fault"
    }
}
