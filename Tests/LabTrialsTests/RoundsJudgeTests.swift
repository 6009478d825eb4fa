import LabHistory
import Testing

@testable import LabTrials

/// What the rounds of a plan come to together.
@Suite struct RoundsJudgeTests {
    private static func judge(_ mustShow: [Showing], _ rounds: [Verdict?]) -> RoundsJudge {
        var plan = FaultDurationTests.plan([])
        plan.promises = PromisePlan(lost: .measured, mustShow: mustShow)
        var judge = RoundsJudge(plan)
        for round in rounds {
            if let round { judge.take(round) } else { judge.takeBroken() }
        }
        return judge
    }

    private static func verdict(_ status: VerdictStatus, _ change: (inout VerdictCounts) -> Void = { _ in }) -> Verdict
    {
        var counts = VerdictCounts()
        change(&counts)
        let finding = Finding(anomaly: .lost, status: status, count: 1, rule: .measured, summary: "")
        return Verdict(runID: "r", findings: [finding], counts: counts)
    }

    private static let (pass, loss) = (verdict(.pass), verdict(.pass) { $0.lost = 3 })

    private struct Row: Sendable {
        var mustShow: [Showing]
        var rounds: [Verdict?]
        var status: VerdictStatus
        var missing: [Showing] = []
    }

    private static let rows: [Row] = [
        Row(mustShow: [], rounds: [pass, pass], status: .pass),
        Row(mustShow: [.loss], rounds: [pass, loss, pass], status: .pass),
        Row(mustShow: [.loss], rounds: [pass, pass, pass], status: .inconclusive, missing: [.loss]),
        Row(mustShow: [.loss], rounds: [], status: .pass),
        // A round that broke costs the others nothing, and is the worst of them.
        Row(mustShow: [.loss], rounds: [loss, nil, pass], status: .error),
        Row(mustShow: [.loss], rounds: [nil, pass], status: .error, missing: [.loss]),
        Row(mustShow: [], rounds: [verdict(.fail), nil], status: .fail),
        Row(mustShow: [.loss], rounds: [verdict(.fail)], status: .fail, missing: [.loss]),
        // What a run shows that proves nothing may be its gap.
        Row(
            mustShow: [.loss], rounds: [pass, verdict(.inconclusive) { $0.lost = 9 }], status: .inconclusive,
            missing: [.loss]),
        Row(mustShow: [.loss], rounds: [pass, verdict(.fail) { $0.lost = 9 }], status: .fail),
        Row(
            mustShow: [.refusal, .reading, .resumption],
            rounds: [verdict(.pass) { $0.refusedUnderFault = 1 }, verdict(.pass) { $0.okAfterFaults = 1 }],
            status: .inconclusive, missing: [.reading]),
        Row(mustShow: [.reading], rounds: [verdict(.pass) { $0.deliveredUnderFault = 1 }], status: .pass),
    ]

    @Test(arguments: rows.indices) func theWorstSpeaksAndWhatWasNotShown(_ index: Int) {
        let row = Self.rows[index]
        let judge = Self.judge(row.mustShow, row.rounds)
        #expect(judge.status == row.status && judge.missing == row.missing)
        #expect((judge.complaint == nil) == row.missing.isEmpty)
    }

    @Test func theComplaintNamesWhatIsMissing() {
        let complaint = Self.judge([.loss, .refusal], [Self.pass, Self.pass]).complaint ?? ""
        #expect(complaint.hasPrefix("not shown in 2 rounds: a loss, a refused send under a fault, "), "\(complaint)")
    }
}
