import LabCourse
import LabHistory
import LabReport
import Testing

@Suite struct GraderTests {
    private func grade(_ verdict: Verdict?, _ change: (inout [String: String]) -> Void = { _ in }) throws -> GradeReport
    {
        let lab = try Project.lab01()
        var answers = try lab.solution().answers.mapValues(\.text)
        change(&answers)
        return Grader.grade(lab, Submission(interactive: answers, lab: lab), verdict: verdict)
    }

    private func record(_ id: String, _ report: GradeReport) throws -> CheckRecord {
        try #require(report.records.first { $0.id == id })
    }

    @Test func aLossFailsItsCheckWithTheWitnessThoughTheRunHadAGap() throws {
        let report = try grade(Runs.lost)
        let lost = try record("nothing-lost", report)
        #expect(lost.status == .fail && lost.points == 0 && lost.actual == "12")
        #expect(lost.lines == [7, 9] && lost.evidence == ["Message p0-3 was sent."])
        // What was not seen could have been hidden by the gap.
        #expect(try record("nothing-corrupted", report).status == .inconclusive)
        #expect(report.status == .fail)
    }

    @Test func aRunWithoutItsFaultDecidesNothingAndNamesTheNextRun() throws {
        let report = try grade(Runs.didNotBite)
        for id in ["fault-bit", "nothing-lost", "all-delivered", "duplicates-counted"] {
            let record = try record(id, report)
            #expect(record.status == .inconclusive && record.points == 0)
            #expect(record.rationale.contains("seatrial lab run 01"))
        }
        #expect(report.undecided == 7 && report.score == 10)
        #expect(report.status.exitStatus == 2)
    }

    @Test func predictionsScoreWithoutAnyRun() throws {
        let report = try grade(nil)
        #expect(report.score == 10 && report.undecided == 7)
        #expect(report.status == .inconclusive)
    }

    @Test func aBrokenLabIsAnErrorAndTakesNoPoints() throws {
        let report = try grade(Runs.broken)
        #expect(try record("nothing-lost", report).status == .error)
        #expect(report.status.exitStatus == 3 && report.undecided == 7)
    }

    @Test func whatRestsOnAWrongAnswerIsSkipped() throws {
        let report = try grade(Runs.passed) { $0["offset-id-store"] = "10.0.0.1:1" }
        #expect(try record("offset-id-store", report).status == .fail)
        let dependent = try record("offset-id-log", report)
        #expect(dependent.status == .skip && dependent.points == 0 && dependent.actual == nil)
        #expect(report.status == .fail)
    }

    @Test func aFaultThatNeverHealedIsNotBelieved() throws {
        let verdict = Runs.verdict(
            [
                Finding(
                    anomaly: .faultUnproven, status: .inconclusive, count: 1, rule: .required,
                    summary: "fault crash has no end")
            ], healed: false)
        let record = try record("fault-bit", try grade(verdict))
        #expect(record.status == .inconclusive && record.actual == "not seen to be gone")
    }

    @Test func aMissingAnswerAndAnUnreadableOneSaySo() throws {
        let report = try grade(Runs.passed) {
            $0["twice"] = nil
            $0["route-back"] = "z"
        }
        let skipped = try record("twice", report)
        #expect(skipped.rationale.hasPrefix("Skipped. ") && skipped.status == .fail && skipped.expected == nil)
        #expect(try record("route-back", report).rationale.contains("none of the choices"))
        #expect(report.score == 15)
    }

    @Test func theRightAnswerIsNotGivenAway() throws {
        let report = try grade(Runs.passed) { $0["survives-kill"] = "b" }
        let record = try record("survives-kill", report)
        #expect(record.expected == nil && record.actual == "b) Those that were not yet flushed to the disk")
    }
}
