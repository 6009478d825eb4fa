import MQWire

/// Which messages of a topic a consumer wants, by the hash of their tag.
///
/// Hashes collide; the client compares the tags themselves again. Expressions are `*`, or tags joined by `||`.
struct TagFilter: Sendable, Equatable {
    /// `nil`: all messages are wanted.
    private let codes: Set<Int64>?

    /// Wants everything.
    static let all = TagFilter(expression: nil)

    /// Reads a subscription expression; nothing, blank and `*` want everything.
    init(expression: String?) {
        let tags = TagExpression.tags(in: expression ?? "")
        codes = tags.isEmpty || tags == ["*"] ? nil : Set(tags.map { Int64(JavaStringHash.hash($0)) })
    }

    /// Whether a message with this code in its queue entry is wanted.
    func wants(_ tagCode: Int64) -> Bool { codes?.contains(tagCode) ?? true }
}
