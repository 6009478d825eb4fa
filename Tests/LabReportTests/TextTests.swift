import LabHistory
import LabReport
import Testing

@Suite struct TextTests {
    @Test func theTerminalShowsFacesReasonsAndTheRun() {
        let golden = """
            First message (01-first-message), submission submissions/ada

            :) A check that came to pass (2/2)
            :( A check that came to fail (0/2)
                Because of fail.
                expected: a
                actual:   b
                · A sentence.
                history lines 3, 4
            :| A check that came to skip (0/2)
                Because of skip.
                expected: a
                actual:   b
                · A sentence.
                history lines 3, 4
            :| A check that came to error (0/2)
                Because of error.
                expected: a
                actual:   b
                · A sentence.
                history lines 3, 4
            :| A check that came to inconclusive (0/2)
                Because of inconclusive.
                expected: a
                actual:   b
                · A sentence.
                history lines 3, 4

            The run
                  baseline       fault     recovery
                 |###############xxxxxxxxxx+#############.|
                 |               ===========              | crash
                  0.000 s                          4.000 s
                  # acknowledged   + some   x none   . nothing sent   = fault open

                fail: lost (1)
                sent 400: 380 ok, 0 weak, 0 failed, 20 unknown; delivered 379, and 379 by the drain
                :( lost: 1 acknowledged and in no replica's log after drain and scan
                    Message p0-17 was sent at 1.204 s.
                    history lines 312, 315
                - duplicated: 2 delivered again from the same offset
                Its history and logs are in .seatrial/runs/r-1.

            2 of 10 points, 4 not decided: run the lab again

            """
        #expect(TerminalReport().text(Samples.report) == golden)
    }

    @Test func hintsAndColoursComeOnlyWhenAsked() {
        let plain = TerminalReport().text(Samples.report)
        #expect(!plain.contains("hint:") && !plain.contains("\u{1B}"))
        let full = TerminalReport(usesColor: true, showsHints: true).text(Samples.report)
        #expect(full.contains("hint: Look again."))
        #expect(full.contains("\u{1B}[31m:( A check that came to fail (0/2)\u{1B}[0m"))
        #expect(full.contains("\u{1B}[32m:) A check"))
    }

    @Test func aSubmissionCannotSteerTheTerminal() {
        let text = TerminalReport(usesColor: false).text(Samples.hostileReport)
        #expect(text.unicodeScalars.allSatisfy { $0.value >= 0x20 || $0 == "\n" })
        let colored = TerminalReport(usesColor: true).text(Samples.hostileReport)
        #expect(!colored.contains("\u{0}"))
        let own: Set<String> = ["[31m", "[32m", "[33m", "[0m"]
        for part in colored.split(separator: "\u{1B}").dropFirst() {
            #expect(own.contains { part.hasPrefix($0) })
        }
        #expect(colored.split(separator: "\n").allSatisfy { $0.count { $0 == "\u{1B}" } <= 2 })
    }

    @Test func theScoreAddsUpAndTheWorstStatusIsTheReports() {
        #expect(Samples.report.score == 2 && Samples.report.maximum == 10 && Samples.report.undecided == 4)
        #expect(Samples.report.status == .fail)
        var report = Samples.report
        report.verdict = nil
        report.records = [Samples.record(.pass, points: 2), Samples.record(.skip)]
        #expect(report.status == .pass)
        report.records.append(Samples.record(.inconclusive))
        #expect(report.status.exitStatus == 2)
        report.records.append(Samples.record(.error))
        #expect(report.status.exitStatus == 3)
    }

    @Test func tapIsVersion14() {
        let lines = TAPReport.text(Samples.report).split(separator: "\n")
        #expect(lines.prefix(3) == ["TAP version 14", "1..5", "ok 1 - A check that came to pass"])
        #expect(lines[3] == "not ok 2 - A check that came to fail")
        #expect(lines[4...5] == ["  ---", "  status: \"fail\""])
        #expect(lines.contains("ok 3 - A check that came to skip # SKIP Because of skip."))
        let hostile = TAPReport.text(Samples.hostileReport).split(separator: "\n")
        #expect(hostile.count { $0.hasPrefix("ok ") || $0.hasPrefix("not ok ") } == 5)
    }

    @Test func aLongRunIsDrawnNoWider() {
        var timeline = Samples.verdict.timeline
        for second in 0..<5000 { timeline.count(at: Int64(second) * 1_000_000_000) { $0.ok += 1 } }
        let verdict = Verdict(runID: nil, findings: [], counts: VerdictCounts(), timeline: timeline)
        let text = TerminalReport().text(verdict)
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
    }
}
