import LabCourse
import LabHistory
import LabReport

/// Says of a negative control whether its run was judged as it must be.
enum ControlText {
    static func compare(_ control: Control, with report: GradeReport) -> String {
        let wanted = ([control.expected.status] + (control.expected.finding.map { [$0] } ?? [])).joined(separator: ": ")
        let findings = report.verdict?.findings.map(\.anomaly.rawValue) ?? []
        let isAsExpected =
            report.verdict?.status.rawValue == control.expected.status
            && (control.expected.finding.map { findings.contains($0) } ?? true)
        return
            "this was the control '\(control.name)': it must be judged '\(wanted)', and it was\(isAsExpected ? "" : " NOT")"
    }
}
