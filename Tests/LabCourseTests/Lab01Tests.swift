import LabChaos
import LabCourse
import LabHistory
import LabReport
import LabTrials
import Testing

/// The real files of `labs/01-first-message`.
@Suite struct Lab01Tests {
    @Test func itLoadsAsTheEngineNeedsIt() throws {
        let lab = try Project.lab01()
        #expect(lab.name == "01-first-message" && lab.number == 1 && lab.title == "First message")
        #expect(lab.guide.contains("# Lab 01: First message"))
        // What gives the predictions away is read after them.
        #expect(!lab.guide.contains("outlives"))
        #expect(lab.afterwards?.contains("outlives") == true)
        #expect(lab.trial.mode == "m1-async")
        #expect(lab.trial.topic.name == "first-message" && lab.trial.topic.queues == 4)
        #expect(lab.trial.workload.producers == 2 && lab.trial.workload.bodyBytes == 128)
        #expect(lab.trial.promises.lost == .none)
        #expect(lab.trial.schedule.count == 5)
        guard case .inject(let crash) = lab.trial.schedule[1] else {
            Issue.record("the second step is no fault")
            return
        }
        #expect(crash.id == "crash" && crash.kind == .processSignal && crash.signal == "KILL" && crash.ttlSeconds == 30)
        #expect(lab.trial.schedule[3] == .heal("crash"))
        #expect(lab.points == 17)
    }

    @Test func itsLoadFitsInTenSeconds() throws {
        let seconds = try Project.lab01().trial.schedule.reduce(0.0) { sum, step in
            if case .phase(_, let seconds, let upTo) = step { sum + (upTo ?? seconds) } else { sum }
        }
        #expect(seconds <= 5)
    }

    @Test func theSolutionScoresFullMarks() throws {
        let lab = try Project.lab01()
        let report = Grader.grade(lab, try lab.solution(), verdict: Runs.passed)
        #expect(report.score == lab.points && report.maximum == lab.points)
        #expect(report.records.allSatisfy { $0.status == .pass })
        #expect(report.status == .pass)
    }

    @Test func eachWrongSubmissionLosesExactlyItsPoints() throws {
        let lab = try Project.lab01()
        let wrong = try lab.wrongSubmissions()
        #expect(wrong.count >= 2)
        for wrong in wrong {
            let report = Grader.grade(lab, wrong.submission, verdict: Runs.passed)
            var lost: [String: Int] = [:]
            for record in report.records where record.points < record.maximum {
                lost[record.id] = record.maximum - record.points
            }
            #expect(lost == wrong.loses, "\(wrong.name)")
            #expect(report.status == .fail)
            #expect(report.score == lab.points - wrong.loses.values.reduce(0, +))
        }
    }

    @Test func theControlsReplaceOnlyWhatTheyName() throws {
        let lab = try Project.lab01()
        let controls = try lab.controls()
        #expect(controls.map(\.name) == ["no-bite", "store-wiped"])
        #expect(controls.map(\.expected.status) == ["inconclusive", "fail"])
        #expect(controls.map(\.expected.finding) == ["fault-unproven", "lost"])
        for control in controls {
            #expect(control.trial.mode == lab.trial.mode && control.trial.topic == lab.trial.topic)
            #expect(control.trial.promises == lab.trial.promises)
            #expect(control.trial.schedule != lab.trial.schedule)
            #expect(VerdictStatus(rawValue: control.expected.status) != nil)
            #expect(control.expected.finding.map { AnomalyClass(rawValue: $0) != nil } ?? true)
        }
        let kinds = controls[1].trial.schedule.compactMap { step in
            if case .inject(let fault) = step { fault.kind } else { nil }
        }
        #expect(kinds == [.processSignal, .storeWipe])
    }

    /// The ids of the questions, taken apart again from their digits.
    @Test func theIdsSayWhatTheAnswersSay() throws {
        let lab = try Project.lab01()
        func answer(_ id: String) -> String? { lab.questions.first { $0.id == id }?.answer }
        func address(_ hex: Substring) -> String {
            stride(from: 0, to: 8, by: 2).map { start in
                let from = hex.index(hex.startIndex, offsetBy: start)
                return String(UInt8(hex[from..<hex.index(from, offsetBy: 2)], radix: 16) ?? 0)
            }.joined(separator: ".")
        }
        let offsetID = "C612000C00002A9F000000000002D785"
        let uniqueID = "C6120015126718B4AAC210537C65002A"
        #expect(lab.questions.contains { $0.prompt.contains(offsetID) })
        #expect(lab.questions.contains { $0.prompt.contains(uniqueID) })
        let port = try #require(Int(offsetID.dropFirst(8).prefix(8), radix: 16))
        #expect(answer("offset-id-store") == "\(address(offsetID.prefix(8))):\(port)")
        #expect(answer("offset-id-log") == Int(offsetID.suffix(16), radix: 16).map(String.init))
        #expect(answer("unique-id-address") == address(uniqueID.prefix(8)))
        #expect(answer("unique-id-pid") == Int(uniqueID.dropFirst(8).prefix(4), radix: 16).map(String.init))
    }
}
