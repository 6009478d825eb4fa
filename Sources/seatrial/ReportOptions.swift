import ArgumentParser
import FoundationEssentials
import LabHistory
import LabReport

/// How grades are printed.
struct ReportOptions: ParsableArguments {
    enum Format: String, CaseIterable, ExpressibleByArgument {
        case terminal, json, junit, tap, gradescope
    }

    @Option(help: "terminal, json, junit, tap or gradescope.") var format: Format = .terminal
    @Flag(help: "The same as --format json.") var json = false

    func print(_ report: GradeReport, showsHints: Bool = false) throws {
        try self.print([report], showsHints: showsHints)
    }

    /// One document, however many reports there are; Gradescope's format holds one submission only.
    func print(_ reports: [GradeReport], showsHints: Bool = false) throws {
        switch json ? .json : format {
        case .terminal:
            let writer = TerminalReport(usesColor: Terminal.usesColour, showsHints: showsHints)
            Swift.print(reports.map(writer.text).joined(separator: "\n"), terminator: "")
            if reports.count > 1 { Swift.print("\n\(Self.summary(reports))") }
        case .json:
            Swift.print(reports.count == 1 ? JSONReport.text(reports[0]) : JSONReport.text(reports), terminator: "")
        case .junit: Swift.print(JUnitReport.text(reports), terminator: "")
        case .tap: Swift.print(TAPReport.text(reports), terminator: "")
        case .gradescope:
            guard reports.count == 1 else {
                throw UsageError("--format gradescope is for one submission; here are \(reports.count)")
            }
            Swift.print(GradescopeReport.text(reports[0]), terminator: "")
        }
    }

    /// A class at a glance.
    private static func summary(_ reports: [GradeReport]) -> TextTable {
        TextTable(
            header: ["SUBMISSION", "POINTS", "OF", "STATUS"],
            rows: reports.map { ["\($0.submission)", "\($0.score)", "\($0.maximum)", $0.status.rawValue] })
    }
}

/// For commands whose answer a machine may want.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Machine-readable output.") var json = false

    func print(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        Swift.print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }
}
