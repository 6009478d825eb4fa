public import LabHistory

/// A report for a person at a terminal, with check50's faces: `:)` passed, `:(` failed, `:|` not decided.
public struct TerminalReport: Sendable {
    /// Whether to write ANSI colours; the caller knows the terminal and `NO_COLOR`.
    public var usesColor: Bool
    /// Whether to show the hints.
    public var showsHints: Bool

    public init(usesColor: Bool = false, showsHints: Bool = false) {
        self.usesColor = usesColor
        self.showsHints = showsHints
    }

    /// The whole report, with a line feed at its end.
    public func text(_ report: GradeReport) -> String {
        var rows = [Row("\(report.title) (\(report.lab)), submission \(report.submission)"), Row("")]
        var previous: String?
        for record in report.records {
            rows += self.rows(of: record, after: previous)
            previous = record.status == .pass ? nil : record.rationale
        }
        if let verdict = report.verdict {
            rows += [Row(""), Row("The run")] + self.rows(of: verdict).map(\.indented)
        }
        if let folder = report.runFolder { rows.append(Row("Its history and logs are in \(folder).").indented) }
        rows += [Row(""), score(report)]
        return render(rows)
    }

    /// A run alone, as `seatrial check` shows it.
    public func text(_ verdict: Verdict) -> String {
        render(rows(of: verdict))
    }

    // MARK: One check

    /// - Parameter previous: why the check before this one did not pass; the same reason is not told twice.
    private func rows(of record: CheckRecord, after previous: String?) -> [Row] {
        let points = record.maximum == 0 ? "" : " (\(record.points)/\(record.maximum))"
        let first = Row("\(face(record.status)) \(record.title)\(points)", ink(record.status))
        guard record.status != .pass else { return [first] }
        var more = [record.rationale == previous ? "(for the same reason)" : record.rationale]
        if let expected = record.expected { more.append("expected: \(expected)") }
        if let actual = record.actual { more.append("actual:   \(actual)") }
        more += record.evidence.map { "· \($0)" }
        if !record.lines.isEmpty { more.append(lines(record.lines)) }
        if let hint = record.hint, showsHints { more.append("hint: \(hint)") }
        return [first] + more.map { Row($0, wraps: true).indented }
    }

    private func face(_ status: CheckRecord.Status) -> String {
        switch status {
        case .pass: ":)"
        case .fail: ":("
        case .skip, .error, .inconclusive: ":|"
        }
    }

    private func score(_ report: GradeReport) -> Row {
        var text = "\(report.score) of \(report.maximum) points"
        if report.undecided > 0 { text += ", \(report.undecided) not decided: run the lab again" }
        return Row(text, ink(report.status))
    }

    // MARK: The run

    private func rows(of verdict: Verdict) -> [Row] {
        var rows = TimelinePicture(verdict.timeline).lines.map { Row($0) }
        if !rows.isEmpty { rows.append(Row("")) }
        rows.append(Row(verdict.headline, ink(verdict.status)))
        let counts = verdict.counts
        rows.append(
            Row(
                "sent \(counts.sent): \(counts.ok) ok, \(counts.weak) weak, \(counts.fail) failed, "
                    + "\(counts.info) unknown; delivered \(counts.delivered - counts.drained), "
                    + "and \(counts.drained) by the drain"))
        for finding in verdict.findings {
            rows.append(
                Row(
                    "\(mark(finding)) \(finding.anomaly.rawValue): \(finding.summary)", ink(finding.status), wraps: true
                ))
            guard finding.status != .pass, let witness = finding.witness else { continue }
            rows += witness.story.map { Row($0, wraps: true).indented }
            if !witness.lines.isEmpty { rows.append(Row(lines(witness.lines)).indented) }
        }
        return rows
    }

    private func mark(_ finding: Finding) -> String {
        switch finding.status {
        case .pass: "-"
        case .fail: ":("
        case .inconclusive, .error: ":|"
        }
    }

    private func lines(_ numbers: [Int]) -> String {
        "history lines \(numbers.map(String.init).joined(separator: ", "))"
    }

    // MARK: Ink

    private enum Ink: String { case green = "32", red = "31", yellow = "33" }

    /// One row before it is made safe and coloured, which happens in `render` alone.
    private struct Row {
        var indent = 0
        var text: String
        var ink: Ink?
        /// Prose, as opposed to a picture.
        var wraps: Bool

        init(_ text: String, _ ink: Ink? = nil, wraps: Bool = false) {
            self.text = text
            self.ink = ink
            self.wraps = wraps
        }

        var indented: Row {
            var row = self
            row.indent += 1
            return row
        }
    }

    private func ink(_ status: CheckRecord.Status) -> Ink {
        switch status {
        case .pass: .green
        case .fail: .red
        case .skip, .inconclusive, .error: .yellow
        }
    }

    private func ink(_ status: VerdictStatus) -> Ink {
        switch status {
        case .pass: .green
        case .fail: .red
        case .inconclusive, .error: .yellow
        }
    }

    private func render(_ rows: [Row]) -> String {
        rows.flatMap { row in
            let text = Self.printable(row.text)
            let lines = row.wraps ? Self.wrapped(text, to: Self.columns - 4 * row.indent) : [text]
            return lines.map { line in
                let painted =
                    if usesColor, let ink = row.ink { "\u{1B}[\(ink.rawValue)m\(line)\u{1B}[0m" } else { line }
                return (line.isEmpty ? "" : String(repeating: "    ", count: row.indent)) + painted + "\n"
            }
        }.joined()
    }

    /// As wide as prose reads well.
    private static let columns = 80

    /// Lines of whole words; a word that is too long has a line of its own. Blanks between words stay.
    private static func wrapped(_ text: String, to columns: Int) -> [String] {
        var lines: [String] = [""]
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            let last = lines[lines.count - 1]
            if lines.count == 1 && last.isEmpty || last.count + 1 + word.count <= columns {
                lines[lines.count - 1] = last.isEmpty && lines.count == 1 ? String(word) : "\(last) \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }

    /// A submission's or a log's text must not steer the terminal: control characters become U+FFFD.
    private static func printable(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 0x20 && scalar != "\n" || (0x7F...0x9F).contains(scalar.value)
            out.unicodeScalars.append(isControl ? "\u{FFFD}" : scalar)
        }
        return out
    }
}
