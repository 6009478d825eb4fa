/// A configuration cannot be used; the program refuses to start with this one line.
public struct ConfigurationError: Error, Equatable, CustomStringConvertible {
    /// The file, or `command line`.
    public let file: String
    /// The line, counted from 1; `nil` when the file as a whole is meant.
    public let line: Int?
    /// What is wrong and what would be accepted.
    public let problem: String

    /// Describes one problem.
    public init(file: String, line: Int?, problem: String) {
        self.file = file
        self.line = line
        self.problem = problem
    }

    /// `file:line: problem`.
    public var description: String { line.map { "\(file):\($0): \(problem)" } ?? "\(file): \(problem)" }
}
