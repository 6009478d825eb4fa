/// The tags that a subscription names: `a || b`.
///
/// Only two bars together divide, and only what stands around a tag is taken off it: a tag may hold a blank or one bar.
/// Source: RocketMQ 4.9, `FilterAPI.buildSubscriptionData`.
public enum TagExpression {
    /// The tags, in their order; none of an expression that names none.
    public static func tags(in expression: String) -> [String] {
        var tags: [String] = []
        var tag: [UInt8] = []
        var bytes = Array(expression.utf8)[...]
        func end() {
            // As Java trims: everything up to the blank.
            let trimmed = tag.drop { $0 <= 0x20 }.reversed().drop { $0 <= 0x20 }.reversed()
            if !trimmed.isEmpty { tags.append(String(decoding: trimmed, as: UTF8.self)) }
            tag = []
        }
        while let byte = bytes.popFirst() {
            if byte == UInt8(ascii: "|"), bytes.first == byte {
                bytes.removeFirst()
                end()
            } else {
                tag.append(byte)
            }
        }
        end()
        return tags
    }
}
