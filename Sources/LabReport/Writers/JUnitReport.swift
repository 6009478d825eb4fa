import LabHistory

/// JUnit XML: `testsuites` with one suite for the lab, one test case for each check.
///
/// A wrong outcome is a `failure`; a lab that broke and a run that could not tell are an `error`, so that no reader
/// takes them for a pass; a check whose dependency failed is `skipped`. Times are seconds, dates ISO 8601.
public enum JUnitReport {
    public static func text(_ report: GradeReport) -> String { text([report]) }

    /// Several submissions in one document, a suite each.
    public static func text(_ reports: [GradeReport]) -> String {
        var out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        out += "<testsuites name=\"seatrial\" \(counts(reports))>\n"
        for report in reports {
            let name = reports.count == 1 ? report.lab : "\(report.lab) \(report.submission)"
            out += "  <testsuite name=\(quoted(name)) \(counts([report]))>\n" + properties(report)
            for record in report.records { out += testCase(record) }
            if let verdict = report.verdict {
                out += "    <system-out>\(escaped(verdict.headline))</system-out>\n"
            }
            out += "  </testsuite>\n"
        }
        return out + "</testsuites>\n"
    }

    /// The attributes that both elements have, added up.
    private static func counts(_ reports: [GradeReport]) -> String {
        func sum(_ statuses: CheckRecord.Status...) -> Int {
            reports.reduce(0) { sum, report in statuses.reduce(sum) { $0 + report.count($1) } }
        }
        let milliseconds = reports.reduce(0) { $0 + ($1.durationMilliseconds ?? 0) }
        let first = reports.compactMap(\.gradedAtMilliseconds).min()
        let stamp = first.map { " timestamp=\"\(Decimal.iso8601(milliseconds: $0))\"" } ?? ""
        return "tests=\"\(reports.reduce(0) { $0 + $1.records.count })\" failures=\"\(sum(.fail))\" "
            + "errors=\"\(sum(.error, .inconclusive))\" skipped=\"\(sum(.skip))\" "
            + "time=\"\(Decimal.thousandths(milliseconds))\"" + stamp
    }

    private static func properties(_ report: GradeReport) -> String {
        var pairs = [
            ("submission", report.submission), ("status", report.status.rawValue), ("score", "\(report.score)"),
            ("max_score", "\(report.maximum)"),
        ]
        if let folder = report.runFolder { pairs.append(("run_folder", folder)) }
        let lines = pairs.map { "      <property name=\(quoted($0.0)) value=\(quoted($0.1))/>\n" }
        return "    <properties>\n" + lines.joined() + "    </properties>\n"
    }

    private static func testCase(_ record: CheckRecord) -> String {
        let open =
            "    <testcase name=\(quoted(record.title)) classname=\(quoted("\(record.lab).\(record.step)")) time=\"0\""
        switch record.status {
        case .pass: return open + "/>\n"
        case .skip:
            return open + ">\n      <skipped message=\(quoted(record.rationale))/>\n    </testcase>\n"
        case .fail: return open + ">\n" + problem("failure", record) + "    </testcase>\n"
        case .error, .inconclusive: return open + ">\n" + problem("error", record) + "    </testcase>\n"
        }
    }

    private static func problem(_ element: String, _ record: CheckRecord) -> String {
        var lines: [String] = []
        if let expected = record.expected { lines.append("expected: \(expected)") }
        if let actual = record.actual { lines.append("actual: \(actual)") }
        lines += record.evidence
        if !record.lines.isEmpty {
            lines.append("history lines: \(record.lines.map(String.init).joined(separator: ", "))")
        }
        let type = quoted(record.status.rawValue)
        return "      <\(element) message=\(quoted(record.rationale)) type=\(type)>"
            + escaped(lines.joined(separator: "\n")) + "</\(element)>\n"
    }

    private static func quoted(_ text: String) -> String {
        "\"" + escaped(text, inAttribute: true) + "\""
    }

    /// Escapes markup, and replaces what XML 1.0 cannot hold at all (section 2.2: most control characters, U+FFFE
    /// and U+FFFF) by U+FFFD. In an attribute, line feeds and tabs are written as references, or a parser would
    /// turn them into spaces.
    private static func escaped(_ text: String, inAttribute: Bool = false) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            case "\r": out += "&#13;"
            case "\n", "\t": out += inAttribute ? "&#\(scalar.value);" : String(scalar)
            case "\u{0}"..<" ", "\u{FFFE}", "\u{FFFF}": out += "\u{FFFD}"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
