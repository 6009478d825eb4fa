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

    /// A run whose sending failed from second 1 on, for so long; the fault was open from second 1 to 9.
    private static func verdict(outage seconds: Double?) -> Verdict {
        var timeline = Timeline()
        timeline.faults = [.init(name: "f", fromNanoseconds: 1_000_000_000, toNanoseconds: 9_000_000_000)]
        let outage = Outage(
            faultUID: "f", firstFailureNanoseconds: 1_000_000_000,
            firstSuccessNanoseconds: seconds.map { 1_000_000_000 + Int64($0 * 1e9) }, windows: 0, windowsWithSuccess: 0)
        return Verdict(runID: "r", findings: [], counts: VerdictCounts(), outages: [outage], timeline: timeline)
    }

    /// Held to what is promised at p99: the second longest of two hundred rounds, the longest of a few.
    @Test func anOutageIsHeldToItsBound() {
        func judge(_ outages: [Double?], bound: Double? = 4) -> RoundsJudge {
            var plan = FaultDurationTests.plan([])
            plan.promises = PromisePlan(lost: .none, outageSeconds: bound)
            var judge = RoundsJudge(plan)
            for outage in outages { judge.take(Self.verdict(outage: outage)) }
            return judge
        }
        let many = [Double?](repeating: 3, count: 198)
        #expect(judge([3, 3.999]).status == .pass)
        #expect(judge([3, 4.001, 2]).status == .fail)
        #expect(judge(many + [9, 3]).status == .pass && judge(many + [9, 9, 9]).status == .fail)
        #expect(judge([3, nil]).status == .fail && judge([nil], bound: nil).status == .pass)
        #expect(
            judge([3, 5.25]).complaint?.contains("an outage of 5.250 s at p99, where the plan promises 4.000 s") == true
        )
        #expect(judge([nil]).complaint?.contains("an outage without an end") == true)
        let figures = judge([3, 1, nil, 2], bound: nil).outages
        #expect([25, 50, 75, 99].map { figures.seconds(percentile: $0) } == [1, 2, 3, .infinity])
    }

    /// Somebody took over only where sending works again while the fault is still there.
    @Test func aTakeoverIsSeenBeforeTheHeal() {
        #expect(Showing.takeover.isShown(by: Self.verdict(outage: 3)))
        #expect(!Showing.takeover.isShown(by: Self.verdict(outage: 8.5)))
        #expect(!Showing.takeover.isShown(by: Self.verdict(outage: nil)))
    }

    @Test func theComplaintNamesWhatIsMissing() {
        let complaint = Self.judge([.loss, .refusal], [Self.pass, Self.pass]).complaint ?? ""
        #expect(complaint.hasPrefix("not shown in 2 rounds: a loss, a refused send under a fault, "), "\(complaint)")
    }
}
