import LabHistory
import LabReport

/// One report with a record of each status, and text in it that must be escaped everywhere.
enum Samples {
    static let hostile = "</failure> & \"quoted\" 'single' ]]> \u{1B}[31m\u{0} #1 \\ ü\n2nd line"

    static let verdict: Verdict = {
        var counts = VerdictCounts()
        counts.sent = 400
        counts.ok = 380
        counts.info = 20
        counts.delivered = 758
        counts.drained = 379
        counts.deliveredValues = 379
        counts.lost = 1
        var timeline = Timeline()
        for tenth in 0..<40 {
            timeline.count(at: Int64(tenth) * 100_000_000) { window in
                window.attempts = tenth == 39 ? 0 : 10
                window.ok = (15..<25).contains(tenth) || tenth == 39 ? 0 : 10
                window.notOK = (15...25).contains(tenth) ? 10 : 0
            }
        }
        timeline.phases = [
            .init(atNanoseconds: 0, name: "baseline"), .init(atNanoseconds: 1_500_000_000, name: "fault"),
            .init(atNanoseconds: 2_500_000_000, name: "recovery"),
        ]
        timeline.faults = [.init(name: "crash", fromNanoseconds: 1_500_000_000, toNanoseconds: 2_500_000_000)]
        return Verdict(
            runID: "r-1",
            findings: [
                Finding(
                    anomaly: .duplicated, status: .pass, count: 2, rule: .legal,
                    summary: "2 delivered again from the same offset"),
                Finding(
                    anomaly: .lost, status: .fail, count: 1, rule: .forbidden,
                    summary: "1 acknowledged and in no replica's log after drain and scan",
                    witness: Witness(
                        value: ValueID(producer: 0, sequence: 17), story: ["Message p0-17 was sent at 1.204 s."],
                        lines: [312, 315])),
            ], counts: counts,
            outages: [
                Outage(
                    faultUID: "crash", firstFailureNanoseconds: 1_501_000_000, firstSuccessNanoseconds: 2_560_000_000,
                    windows: 4, windowsWithSuccess: 3)
            ], timeline: timeline)
    }()

    static func record(_ status: CheckRecord.Status, points: Int = 0, title: String? = nil) -> CheckRecord {
        CheckRecord(
            id: "check-\(status.rawValue)", lab: "01-first-message", step: "predict",
            title: title ?? "A check that came to \(status.rawValue)", points: points, maximum: 2, status: status,
            rationale: "Because of \(status.rawValue).", hint: "Look again.", expected: "a", actual: "b",
            evidence: ["A sentence."], lines: [3, 4])
    }

    static let report = GradeReport(
        lab: "01-first-message", title: "First message", submission: "submissions/ada",
        records: [record(.pass, points: 2)] + [.fail, .skip, .error, .inconclusive].map { record($0) },
        verdict: verdict, runFolder: ".seatrial/runs/r-1", gradedAtMilliseconds: 1_700_000_000_000,
        durationMilliseconds: 7_250)

    static let hostileReport = GradeReport(
        lab: hostile, title: hostile, submission: hostile,
        records: CheckRecord.Status.allCases.map { status in
            var record = record(status, title: hostile)
            record.rationale = hostile
            record.expected = hostile
            record.actual = hostile
            record.evidence = [hostile]
            return record
        }, verdict: nil, runFolder: hostile)
}
