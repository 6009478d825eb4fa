/// What is wrong with a YAML document, in words for the person who wrote it.
public struct YAMLMistake: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of mistake it is, for callers whose own errors are told apart.
    public enum Kind: Sendable, Hashable {
        /// It is no YAML, or YAML of a kind that is not taken.
        case syntax
        /// A key that must be there is not.
        case missing
        /// A value is of the wrong kind or out of its range.
        case value
    }

    public var kind: Kind
    /// The line, from 1; nil when no single line is to blame.
    public var line: Int?
    /// What is wrong and the way out, without the place.
    public var text: String

    init(_ kind: Kind, line: Int?, _ text: String) {
        self.kind = kind
        self.line = line
        self.text = text
    }

    /// `line 3: a tab …`
    public var description: String { line.map { "line \($0): \(text)" } ?? text }
}
