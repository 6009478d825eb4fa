import LabHistory

/// TAP version 14: one plan, one line for each check, indented YAML diagnostics under what did not pass.
public enum TAPReport {
    public static func text(_ report: GradeReport) -> String {
        (["TAP version 14"] + lines(of: report)).joined(separator: "\n") + "\n"
    }

    /// Several submissions in one document, a subtest each.
    public static func text(_ reports: [GradeReport]) -> String {
        var lines = ["TAP version 14", "1..\(reports.count)"]
        for (index, report) in reports.enumerated() {
            let name = oneLine("\(report.lab) \(report.submission)")
            lines.append("# Subtest: \(name)")
            lines += self.lines(of: report).map { "    " + $0 }
            lines.append("\(report.status == .pass ? "ok" : "not ok") \(index + 1) - \(name)")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func lines(of report: GradeReport) -> [String] {
        var lines = ["1..\(report.records.count)"]
        for (index, record) in report.records.enumerated() {
            let isOK = record.status == .pass || record.status == .skip
            let directive = record.status == .skip ? " # SKIP \(oneLine(record.rationale))" : ""
            lines.append("\(isOK ? "ok" : "not ok") \(index + 1) - \(oneLine(record.title))\(directive)")
            if !isOK { lines += diagnostics(record) }
        }
        if report.records.isEmpty { lines.append("Bail out! the lab has no checks") }
        return lines
    }

    private static func diagnostics(_ record: CheckRecord) -> [String] {
        var pairs = [("status", record.status.rawValue), ("message", record.rationale)]
        if let expected = record.expected { pairs.append(("expected", expected)) }
        if let actual = record.actual { pairs.append(("actual", actual)) }
        // A JSON string is a YAML string, whatever it holds.
        return ["  ---"] + pairs.map { "  \($0.0): \(JSONText.quoted($0.1))" } + ["  ..."]
    }

    /// A description is one line, and `#` would begin a directive.
    private static func oneLine(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "#", "\\": out += "\\" + String(scalar)
            case "\u{0}"..<" ": out += " "
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
