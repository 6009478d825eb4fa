/// Something in a lab's or a submission's files can't be taken; one line names the place and the way out.
public struct CourseError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What went wrong, as a label without dynamic text.
    public enum Code: String, Sendable, Equatable, CaseIterable {
        case unknownLab = "unknown-lab"
        case missingFile = "missing-file"
        case unreadableFile = "unreadable-file"
        case tooLarge = "too-large"
        case notAFile = "not-a-file"
        case badYAML = "bad-yaml"
        case unknownKey = "unknown-key"
        case missingKey = "missing-key"
        case badValue = "bad-value"
    }

    public var code: Code
    /// The file or folder, as the caller named it.
    public var file: String
    /// Counted from 1; nil when no line is to blame.
    public var line: Int?
    public var detail: String

    public init(_ code: Code, file: String, line: Int? = nil, _ detail: String) {
        self.code = code
        self.file = file
        self.line = line
        self.detail = detail
    }

    /// `labs/01-first-message/lab.yaml:7: a tab stands where YAML wants spaces; indent with spaces`.
    public var description: String {
        "\(file):\(line.map { "\($0):" } ?? "") \(detail)"
    }
}
