import MQWire

/// The nameserver's key-value store, by namespace; saved as `{"configTable":{namespace:{key:value}}}`.
struct KeyValueStore: Sendable {
    /// Entries in all namespaces at most: the store is for settings, not for data.
    static let entryLimit = 10_000

    private var namespaces: [String: [String: String]] = [:]
    private var count = 0

    init() {}

    /// Reads what was saved; what is no text, or above the limit, is left out.
    init(json: JSONValue) {
        for namespace in json["configTable"]?.objectValue ?? [] {
            for entry in namespace.value.objectValue ?? [] {
                guard let value = entry.value.stringValue else { continue }
                _ = put(value, for: entry.key, in: namespace.key)
            }
        }
    }

    var json: JSONValue {
        let table = namespaces.sorted { $0.key < $1.key }.map { name, entries in
            JSONMember(
                name, .object(entries.sorted { $0.key < $1.key }.map { JSONMember($0.key, .string($0.value)) }))
        }
        return ["configTable": .object(table)]
    }

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

    /// Forgets a key; says whether it was there.
    mutating func delete(_ key: String, in namespace: String) -> Bool {
        guard namespaces[namespace]?.removeValue(forKey: key) != nil else { return false }
        count -= 1
        if namespaces[namespace]?.isEmpty ?? false { namespaces[namespace] = nil }
        return true
    }
}
