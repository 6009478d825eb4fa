/// The nameserver's key-value store, by namespace; in memory only.
struct KeyValueStore: Sendable {
    /// Entries in all namespaces at most: the store is for settings, not for data.
    static let entryLimit = 10_000

    private var namespaces: [String: [String: String]] = [:]
    private var count = 0

    /// Sets a value; `false` when the store is full.
    mutating func put(_ value: String, for key: String, in namespace: String) -> Bool {
        if namespaces[namespace]?[key] == nil {
            guard count < Self.entryLimit else { return false }
            count += 1
        }
        namespaces[namespace, default: [:]][key] = value
        return true
    }

    func value(for key: String, in namespace: String) -> String? { namespaces[namespace]?[key] }

    func entries(in namespace: String) -> [String: String] { namespaces[namespace] ?? [:] }

    mutating func delete(_ key: String, in namespace: String) {
        guard namespaces[namespace]?.removeValue(forKey: key) != nil else { return }
        count -= 1
        if namespaces[namespace]?.isEmpty ?? false { namespaces[namespace] = nil }
    }
}
