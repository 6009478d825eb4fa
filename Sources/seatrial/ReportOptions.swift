import ArgumentParser
import FoundationEssentials
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

    /// JUnit and TAP hold several reports in one document; the others are written one after the other.
    func print(_ reports: [GradeReport], showsHints: Bool = false) throws {
        switch json ? .json : format {
        case .terminal:
            let writer = TerminalReport(usesColor: Terminal.usesColour, showsHints: showsHints)
            for report in reports { Swift.print(writer.text(report)) }
        case .json: for report in reports { Swift.print(JSONReport.text(report)) }
        case .junit: for report in reports { Swift.print(JUnitReport.text(report)) }
        case .tap: for report in reports { Swift.print(TAPReport.text(report)) }
        case .gradescope: for report in reports { Swift.print(GradescopeReport.text(report)) }
        }
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
