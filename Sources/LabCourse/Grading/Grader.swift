public import LabHistory
public import LabReport
import LabText

/// Turns a submission and a run into records; pure.
///
/// 1. A question scores for its answer alone: nobody loses a point because a permitted loss did not happen.
/// 2. A check on the run fails on what was seen, however incomplete the run; it passes only on a run that could have
///    shown the opposite, and is otherwise inconclusive, with what to run again.
/// 3. What depends on something that failed is skipped. What depends on something undecided is undecided.
public enum Grader {
    /// - Parameters:
    ///   - verdict: what the run proved; nil when there was none, which leaves every check on it undecided.
    ///   - facts: the run's facts by name, for checks that ask for one.
    public static func grade(
        _ lab: Lab, _ submission: Submission, verdict: Verdict?, facts: [String: String] = [:]
    ) -> GradeReport {
        var records: [CheckRecord] = []
        func add(_ record: CheckRecord) { records.append(blocked(record, by: records) ?? record) }
        for question in lab.questions { add(record(question, lab, submission)) }
        for check in lab.checks { add(ExperimentGrader(lab: lab, verdict: verdict, facts: facts).record(check)) }
        return GradeReport(
            lab: lab.name, title: lab.title, submission: submission.name, records: records, verdict: verdict)
    }

    /// The record in the place of one whose dependency did not pass; nil when all passed.
    private static func blocked(_ record: CheckRecord, by earlier: [CheckRecord]) -> CheckRecord? {
        let needed = earlier.filter { record.dependsOn.contains($0.id) }
        guard let blocker = needed.first(where: { $0.status != .pass }) else { return nil }
        let isUndecided = needed.allSatisfy { [.pass, .inconclusive, .error].contains($0.status) }
        var blocked = record
        blocked.points = 0
        blocked.status = isUndecided ? .inconclusive : .skip
        blocked.rationale =
            isUndecided
            ? "'\(blocker.title)' could not be told, and this rests on it; \(ExperimentGrader.again(record.lab))"
            : "'\(blocker.title)' did not pass, and this rests on it"
        blocked.actual = nil
        blocked.expected = nil
        blocked.evidence = []
        blocked.lines = []
        return blocked
    }

    private static func record(_ question: Question, _ lab: Lab, _ submission: Submission) -> CheckRecord {
        var record = CheckRecord(
            id: question.id, lab: lab.name, step: question.step, title: question.title, points: 0,
            maximum: question.points, status: .fail, rationale: question.explanation, hint: question.hint,
            dependsOn: question.dependsOn)
        let parser = AnswerParser(question)
        guard let answer = submission.answers[question.id] else {
            // Whoever skipped a question at the terminal learns as much as from a wrong answer.
            record.rationale =
                submission.place.map { "\($0): no answer to '\(question.id)'; \(parser.wanted)" }
                ?? "Skipped. \(question.explanation)"
            return record
        }
        record.actual = shown(answer.text, question)
        do {
            let given = try parser.parse(answer.text)
            record.actual = shown(given, question)
            guard given == (try parser.parse(question.answer)) else { return record }
            record.points = question.points
            record.status = .pass
            record.expected = shown(question.answer, question)
        } catch {
            let file = submission.place?.split(separator: ":").dropLast().joined(separator: ":")
            let place = answer.line.map { "\(file ?? submission.name):\($0): " } ?? ""
            record.rationale = place + "\(error)"
        }
        return record
    }

    /// A choice with its text; anything else as it is. The right answer of a failed question is not shown: its
    /// explanation tells enough, and the learner may try again.
    private static func shown(_ answer: String, _ question: Question) -> String {
        guard question.kind == .choice, let choice = question.choices.first(where: { $0.id == answer }) else {
            return Nearest.shown(answer)
        }
        return "\(choice.id)) \(choice.text)"
    }
}
