/// The routes that a client knows. A value; when they are asked for again is the shell's business.
struct RouteCache: Sendable {
    /// Topics at most; above, the cache starts anew, since a client that sees so many cannot poll them all.
    static let topicLimit = 10_000

    struct Entry: Sendable, Equatable {
        var route: TopicRoute
        /// Whether it was made from the template of automatic topics: good for sending, not for reading.
        var isProvisional: Bool
        /// Whether something failed that it may be the cause of.
        var isStale = false
    }

    private var entries: [String: Entry] = [:]

    var topics: [String] { entries.keys.sorted() }

    subscript(topic: String) -> Entry? { entries[topic] }

    mutating func store(_ route: TopicRoute, isProvisional: Bool) {
        if entries[route.topic] == nil && entries.count >= Self.topicLimit { entries = [:] }
        entries[route.topic] = Entry(route: route, isProvisional: isProvisional)
    }

    mutating func setStale(_ isStale: Bool, _ topic: String) { entries[topic]?.isStale = isStale }

    /// Every broker address in any route, masters and slaves.
    var brokerAddresses: Set<String> {
        var addresses: Set<String> = []
        for entry in entries.values {
            for set in entry.route.brokers.values { addresses.formUnion(set.addresses.values) }
        }
        return addresses
    }
}
