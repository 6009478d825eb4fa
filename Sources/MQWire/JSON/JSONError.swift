/// A text is not the JSON that was expected, lenient as we are.
public struct JSONError: Error, Equatable, CustomStringConvertible {
    /// Where in the text, in bytes from its start.
    public let offsetBytes: Int
    /// What would have been accepted there.
    public let expected: String

    /// Describes one place.
    public init(offsetBytes: Int, expected: String) {
        self.offsetBytes = offsetBytes
        self.expected = expected
    }

    /// Place and expectation.
    public var description: String { "JSON, byte \(offsetBytes): expected \(expected)" }
}
