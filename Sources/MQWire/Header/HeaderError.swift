/// A field of a request or answer is missing or has a value that its type does not admit.
public struct HeaderError: Error, Equatable, CustomStringConvertible {
    /// The field's name on the wire.
    public let field: String
    /// What was there, or `nil` when nothing was.
    public let value: String?
    /// What would have been accepted.
    public let expected: String

    /// Describes one bad field.
    public init(field: String, value: String?, expected: String) {
        self.field = field
        self.value = value
        self.expected = expected
    }

    @inline(never)
    static func notA<Value: FixedWidthInteger>(_ type: Value.Type, field: String, value: String) -> HeaderError {
        HeaderError(field: field, value: value, expected: "an integer from \(Value.min) to \(Value.max)")
    }

    /// Fit for a remark: field, what came, what was expected.
    public var description: String {
        if let value { return "field \(field): '\(value)' is not \(expected)" }
        return "field \(field) is missing (expected \(expected))"
    }
}
