/// A line of a history could not be read; it names the line, what was wrong there and what to do.
public struct HistoryError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What went wrong, as a label without dynamic text.
    public enum Code: String, Sendable, Equatable, CaseIterable {
        case lineTooLong = "line-too-long"
        case notJSON = "not-json"
        case missingField = "missing-field"
        case wrongType = "wrong-type"
        case unknownEvent = "unknown-event"
        case unknownVersion = "unknown-version"
    }

    public var code: Code
    /// Counted from 1.
    public var line: Int
    public var detail: String

    public init(_ code: Code, line: Int, _ detail: String) {
        self.code = code
        self.line = line
        self.detail = detail
    }

    /// `history line 7: field 'op' is missing; the file is damaged, run the trial again`.
    public var description: String {
        let wayOut =
            code == .unknownVersion
            ? "judge it with the seatrial that wrote it" : "the file is damaged, run the trial again"
        return "history line \(line): \(detail); \(wayOut)"
    }
}
