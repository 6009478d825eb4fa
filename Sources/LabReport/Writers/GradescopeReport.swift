import LabHistory

/// Gradescope's `results.json`.
///
/// A check that could not be decided gives no points *here*, for the format knows no third state; its output says
/// that the lab must be run again, and the top level's output repeats it.
public enum GradescopeReport {
    public static func text(_ report: GradeReport) -> String {
        var output = report.verdict?.headline ?? "There was no run."
        if report.undecided > 0 { output += "\n\(report.undecided) points are not decided: run the lab again." }
        return JSONTree.object([
            ("execution_time", .thousandths(report.durationMilliseconds ?? 0)),
            ("output", .text(output)),
            ("visibility", .text("visible")),
            ("stdout_visibility", .text("hidden")),
            ("extra_data", .object([("lab", .text(report.lab)), ("status", .text(report.status.rawValue))])),
            ("tests", .array(report.records.enumerated().map { test($1, number: $0 + 1) })),
        ]).document
    }

    private static func test(_ record: CheckRecord, number: Int) -> JSONTree {
        var lines = [record.rationale]
        if let expected = record.expected, record.status != .pass { lines.append("expected: \(expected)") }
        if let actual = record.actual, record.status != .pass { lines.append("actual: \(actual)") }
        return .object([
            ("name", .text(record.title)),
            ("score", .count(record.points)),
            ("max_score", .count(record.maximum)),
            ("status", .text(record.status == .pass ? "passed" : "failed")),
            ("number", .text("\(number)")),
            ("output", .text(lines.joined(separator: "\n"))),
            ("output_format", .text("text")),
            ("tags", .array([.text(record.step), .text(record.status.rawValue)])),
            ("visibility", .text(record.visibility.rawValue)),
        ])
    }
}
