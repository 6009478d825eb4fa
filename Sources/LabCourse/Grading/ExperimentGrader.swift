import LabHistory
import LabReport

/// Grades the checks that look at the run.
struct ExperimentGrader {
    let lab: Lab
    let verdict: Verdict?
    let facts: [String: String]

    /// What to type for another run.
    static func again(_ lab: String) -> String { "run it again: seatrial lab run \(lab.prefix(2))" }

    func record(_ check: ExperimentCheck) -> CheckRecord {
        var record = CheckRecord(
            id: check.id, lab: lab.name, step: check.step, title: check.title, points: 0, maximum: check.points,
            status: .inconclusive, rationale: check.rationale, hint: check.hint, dependsOn: check.dependsOn)
        guard let verdict else {
            record.rationale = "There was no run; \(Self.again(lab.name))."
            return record
        }
        switch check.subject {
        case .finding(let anomaly, let expected): judge(&record, anomaly, expected, verdict)
        case .fault(let id, _): judge(&record, fault: id, verdict)
        case .fact(let name, let expected): judge(&record, fact: name, expected, verdict)
        }
        if record.status == .pass { record.points = record.maximum }
        return record
    }

    private func judge(
        _ record: inout CheckRecord, _ anomaly: AnomalyClass, _ expected: ExperimentCheck.Expected, _ verdict: Verdict
    ) {
        let count = verdict.count(of: anomaly)
        let finding = verdict.finding(anomaly)
        record.evidence = finding?.witness?.story ?? []
        record.lines = finding?.witness?.lines ?? []
        record.actual = "\(count)"
        switch expected {
        case .exactly(let wanted):
            record.expected = "\(wanted)"
            // What was seen was seen, however incomplete the run; that nothing was seen needs a run that could tell.
            if count > wanted, !verdict.findings.contains(where: { $0.status == .error }) {
                record.status = .fail
                return
            }
            settle(&record, verdict, count == wanted ? .pass : .fail)
        case .counted:
            record.expected = "a number"
            settle(&record, verdict, .pass)
        }
    }

    private func judge(_ record: inout CheckRecord, fault id: String, _ verdict: Verdict) {
        record.expected = "seen to bite and seen to be gone"
        let unproven = verdict.findings.filter { $0.anomaly == .faultUnproven || $0.anomaly == .emptyWindow }
        let span = verdict.timeline.faults.first { Self.isFault($0.name, id) }
        record.evidence = unproven.map(\.summary)
        record.lines = unproven.flatMap { $0.witness?.lines ?? [] }
        if let span, let end = span.toNanoseconds {
            let milliseconds = (end - span.fromNanoseconds) / 1_000_000
            record.actual = "open for \(milliseconds) ms"
            settle(&record, verdict, .pass)
        } else {
            record.actual = span == nil ? "not seen to bite" : "not seen to be gone"
            inconclusive(&record, record.evidence.first ?? "The history does not show it")
        }
    }

    private func judge(_ record: inout CheckRecord, fact name: String, _ expected: String, _ verdict: Verdict) {
        record.expected = expected
        guard let actual = facts[name] else {
            record.actual = "not known"
            inconclusive(&record, "The run did not tell '\(name)'")
            return
        }
        record.actual = actual
        settle(&record, verdict, actual == expected ? .pass : .fail)
    }

    /// The status of a check when the run could tell; otherwise that of the run.
    private func settle(_ record: inout CheckRecord, _ verdict: Verdict, _ status: CheckRecord.Status) {
        let gaps = verdict.findings.filter { $0.status == .inconclusive }
        if let broken = verdict.findings.first(where: { $0.status == .error }) {
            record.status = .error
            record.rationale = "The lab broke: \(broken.summary)."
        } else if let gap = gaps.first {
            inconclusive(&record, gap.summary)
        } else {
            record.status = status
        }
    }

    private func inconclusive(_ record: inout CheckRecord, _ why: String) {
        record.status = .inconclusive
        record.rationale = "\(why); \(Self.again(lab.name))."
    }

    /// The engine may put something around the plan's id to make it unique.
    private static func isFault(_ uid: String, _ id: String) -> Bool {
        uid == id || uid.hasPrefix("\(id)-") && uid.dropFirst(id.count + 1).allSatisfy(\.isNumber)
    }
}
