/// Which messages a consumer wants, by their properties: a condition in RocketMQ's part of SQL92.
///
/// `AND`, `OR`, `NOT`; `=`, `<>`, `<`, `<=`, `>`, `>=`; `[NOT] BETWEEN … AND …`, `[NOT] IN ('a', 'b')`,
/// `IS [NOT] NULL`; numbers, `'text'`, `TRUE`, `FALSE`; property names. Compiled once, asked for each message.
struct SQLFilter: Sendable {
    /// The longest expression, in bytes.
    static let limitBytes = 16 << 10

    private let expression: SQLExpression
    /// The steps of one evaluation at most.
    let cost: Int

    /// Reads an expression; throws what is wrong with it, and where.
    init(_ text: String) throws(SQLFilterError) {
        guard text.utf8.count <= Self.limitBytes else {
            throw SQLFilterError(
                position: 1, reason: "the expression has \(text.utf8.count) bytes (at most \(Self.limitBytes))")
        }
        var parser = try SQLParser(text)
        expression = try parser.parse()
        cost = expression.cost
    }

    /// Whether a message with these properties is wanted: the condition is true, neither false nor unknown.
    func matches(_ property: (String) -> String?) -> Bool {
        do throws(SQLExpression.Abort) {
            return try expression.value(property) == .bool(true)
        } catch { return false }
    }
}
