import MQWire
import NIOCore

/// Which messages of a topic a consumer wants.
enum MessageFilter: Sendable {
    /// By the hash of the tag, which stands in the queue's entries.
    case tags(TagFilter)

    /// Reads what a consumer's heartbeat said.
    init(_ subscription: SubscriptionData) throws {
        self = .tags(TagFilter(expression: subscription.expression))
    }

    /// Whether a message with this code in its queue entry may be wanted.
    func mayWant(_ tagCode: Int64) -> Bool {
        switch self {
        case .tags(let filter): filter.wants(tagCode)
        }
    }
}
