public import LabHistory

/// Our own JSON: everything that a record holds. Schemas: `docs/schemas/grade.schema.json`, `verdict.schema.json`.
public enum JSONReport {
    /// Raised when a field changes its meaning or goes; new fields do not raise it.
    public static let version = 1

    /// A grade, with the verdict of its run inside.
    public static func text(_ report: GradeReport) -> String { tree(report).document }

    /// Several submissions in one document, as an array of grades.
    public static func text(_ reports: [GradeReport]) -> String { JSONTree.array(reports.map(tree)).document }

    /// A verdict alone: the content of a run's `verdict.json`.
    public static func text(_ verdict: Verdict) -> String {
        tree(verdict).document
    }

    private static func tree(_ report: GradeReport) -> JSONTree {
        .object([
            ("version", .count(version)),
            ("lab", .text(report.lab)),
            ("title", .text(report.title)),
            ("submission", .text(report.submission)),
            ("status", .text(report.status.rawValue)),
            ("score", .count(report.score)),
            ("max_score", .count(report.maximum)),
            ("undecided", .count(report.undecided)),
            ("graded_at", .maybe(report.gradedAtMilliseconds.map { Decimal.iso8601(milliseconds: $0) })),
            ("duration_seconds", report.durationMilliseconds.map { .thousandths($0) } ?? .null),
            ("run_folder", .maybe(report.runFolder)),
            ("checks", .array(report.records.map(tree))),
            ("verdict", report.verdict.map(tree) ?? .null),
        ])
    }

    private static func tree(_ record: CheckRecord) -> JSONTree {
        .object([
            ("id", .text(record.id)),
            ("lab", .text(record.lab)),
            ("step", .text(record.step)),
            ("title", .text(record.title)),
            ("points", .count(record.points)),
            ("max", .count(record.maximum)),
            ("status", .text(record.status.rawValue)),
            ("rationale", .text(record.rationale)),
            ("hint", .maybe(record.hint)),
            ("expected", .maybe(record.expected)),
            ("actual", .maybe(record.actual)),
            ("evidence", .array(record.evidence.map { .text($0) })),
            ("lines", .array(record.lines.map { .count($0) })),
            ("depends_on", .array(record.dependsOn.map { .text($0) })),
            ("visibility", .text(record.visibility.rawValue)),
        ])
    }

    private static func tree(_ verdict: Verdict) -> JSONTree {
        .object([
            ("version", .count(version)),
            ("run", .maybe(verdict.runID)),
            ("status", .text(verdict.status.rawValue)),
            ("headline", .text(verdict.headline)),
            ("counts", .object(verdict.counts.named.map { ($0.name, .count($0.count)) })),
            ("findings", .array(verdict.findings.map(tree))),
            ("outages", .array(verdict.outages.map(tree))),
        ])
    }

    private static func tree(_ finding: Finding) -> JSONTree {
        .object([
            ("anomaly", .text(finding.anomaly.rawValue)),
            ("status", .text(finding.status.rawValue)),
            ("rule", .text(finding.rule.rawValue)),
            ("count", .count(finding.count)),
            ("summary", .text(finding.summary)),
            (
                "witness",
                finding.witness.map { witness in
                    .object([
                        ("value", .maybe(witness.value?.description)),
                        ("story", .array(witness.story.map { .text($0) })),
                        ("lines", .array(witness.lines.map { .count($0) })),
                    ])
                } ?? .null
            ),
        ])
    }

    private static func tree(_ outage: Outage) -> JSONTree {
        .object([
            ("fault", .text(outage.faultUID)),
            ("from_seconds", outage.firstFailureNanoseconds.map { .thousandths($0 / 1_000_000) } ?? .null),
            ("seconds", outage.nanoseconds.map { .thousandths($0 / 1_000_000) } ?? .null),
            ("windows", .count(outage.windows)),
            ("windows_with_success", .count(outage.windowsWithSuccess)),
        ])
    }
}
