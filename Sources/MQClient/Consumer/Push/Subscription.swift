import MQWire

/// What a group wants of a topic: all messages, those with one of some tags, or those that fulfil a condition.
struct Subscription: Sendable, Hashable {
    /// Topics of messages that come again. Source: RocketMQ, MixAll.
    static let retryPrefix = "%RETRY%"

    let topic: String
    /// `*`, tags as `a || b`, or a condition.
    let expression: String
    /// `TAG` or `SQL92`.
    let type: String
    /// Empty for all.
    let tags: Set<String>

    init(topic: String, expression: String) {
        self.topic = topic
        let words = TagExpression.tags(in: expression)
        type = "TAG"
        tags = words.contains("*") ? [] : Set(words)
        self.expression = tags.isEmpty ? "*" : words.joined(separator: " || ")
    }

    /// Messages whose properties fulfil a condition, which the broker alone looks at.
    init(topic: String, condition: String) {
        self.topic = topic
        type = "SQL92"
        expression = condition
        tags = []
    }

    /// Whether a message is wanted: the broker filters by the tags' hashes, which may agree where tags do not.
    func matches(_ message: ReceivedMessage) -> Bool {
        tags.isEmpty || message.tags.map { tags.contains($0) } ?? false
    }

    /// As brokers want it in heartbeats.
    func data(version: Int64) -> SubscriptionData {
        SubscriptionData(
            topic: topic, expression: expression, expressionType: type, version: version, tags: tags.sorted(),
            codes: tags.sorted().map { JavaStringHash.hash($0) })
    }
}
