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
        var lines = ["\(report.title) (\(report.lab)), submission \(report.submission)", ""]
        for record in report.records { lines += self.lines(of: record) }
        if let verdict = report.verdict {
            lines += ["", "The run"] + indented(self.lines(of: verdict))
        }
        if let folder = report.runFolder { lines += indented(["Its history and logs are in \(folder)."]) }
        lines += ["", score(report)]
        return lines.joined(separator: "\n") + "\n"
    }

    /// A run alone, as `seatrial check` shows it.
    public func text(_ verdict: Verdict) -> String {
        lines(of: verdict).joined(separator: "\n") + "\n"
    }

    // MARK: One check

    private func lines(of record: CheckRecord) -> [String] {
        let points = record.maximum == 0 ? "" : " (\(record.points)/\(record.maximum))"
        var lines = [paint("\(face(record.status)) \(record.title)\(points)", color(record.status))]
        guard record.status != .pass else { return lines }
        var more = [record.rationale]
        if let expected = record.expected { more.append("expected: \(expected)") }
        if let actual = record.actual { more.append("actual:   \(actual)") }
        more += record.evidence.map { "· \($0)" }
        if !record.lines.isEmpty {
            more.append("history lines \(record.lines.map(String.init).joined(separator: ", "))")
        }
        if let hint = record.hint, showsHints { more.append("hint: \(hint)") }
        lines += indented(more)
        return lines
    }

    private func face(_ status: CheckRecord.Status) -> String {
        switch status {
        case .pass: ":)"
        case .fail: ":("
        case .skip, .error, .inconclusive: ":|"
        }
    }

    private func score(_ report: GradeReport) -> String {
        var text = "\(report.score) of \(report.maximum) points"
        if report.undecided > 0 { text += ", \(report.undecided) not decided: run the lab again" }
        return paint(text, color(report.status))
    }

    // MARK: The run

    private func lines(of verdict: Verdict) -> [String] {
        var lines = TimelinePicture(verdict.timeline).lines
        if !lines.isEmpty { lines.append("") }
        lines.append(paint(verdict.headline, color(verdict.status)))
        let counts = verdict.counts
        lines.append(
            "sent \(counts.sent): \(counts.ok) ok, \(counts.weak) weak, \(counts.fail) failed, \(counts.info) unknown; "
                + "delivered \(counts.delivered)")
        for finding in verdict.findings {
            lines.append(
                paint("\(mark(finding)) \(finding.anomaly.rawValue): \(finding.summary)", color(finding.status)))
            guard finding.status != .pass, let witness = finding.witness else { continue }
            lines += indented(witness.story)
            if !witness.lines.isEmpty {
                lines += indented(["history lines \(witness.lines.map(String.init).joined(separator: ", "))"])
            }
        }
        return lines
    }

    private func mark(_ finding: Finding) -> String {
        switch finding.status {
        case .pass: "-"
        case .fail: ":("
        case .inconclusive, .error: ":|"
        }
    }

    // MARK: Ink

    private enum Ink: String { case green = "32", red = "31", yellow = "33" }

    private func color(_ status: CheckRecord.Status) -> Ink {
        color(status == .skip ? .inconclusive : VerdictStatus(rawValue: status.rawValue) ?? .inconclusive)
    }

    private func color(_ status: VerdictStatus) -> Ink {
        switch status {
        case .pass: .green
        case .fail: .red
        case .inconclusive, .error: .yellow
        }
    }

    private func paint(_ text: String, _ ink: Ink) -> String {
        let safe = Self.printable(text)
        return usesColor ? "\u{1B}[\(ink.rawValue)m\(safe)\u{1B}[0m" : safe
    }

    private func indented(_ lines: [String]) -> [String] {
        lines.map { line in
            // A painted line is safe already; everything else may quote a submission.
            "    " + (usesColor && line.hasPrefix("\u{1B}[") ? line : Self.printable(line))
        }
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
