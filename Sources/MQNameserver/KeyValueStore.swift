public import MQWire

/// The nameserver's key-value store, by namespace; saved as `{"configTable":{namespace:{key:value}}}`.
public struct KeyValueStore: Sendable, Equatable {
    /// Entries in all namespaces at most: the store is for settings, not for data.
    static let entryLimit = 10_000
    /// The bytes of all names, keys and values at most: a namespace is told in one frame, and each change is saved whole.
    static let byteLimit = 4 << 20

    private var namespaces: [String: [String: String]] = [:]
    private var count = 0
    private var bytes = 0

    init() {}

    /// Reads what was saved; what is no text, or above the limits, is left out.
    init(json: JSONValue) {
        for namespace in json["configTable"]?.objectValue ?? [] {
            for entry in namespace.value.objectValue ?? [] {
                guard let value = entry.value.stringValue else { continue }
                _ = put(value, for: entry.key, in: namespace.key)
            }
        }
    }

    /// What is saved.
    public var json: JSONValue {
        let table = namespaces.sorted { $0.key < $1.key }.map { name, entries in
            JSONMember(
                name, .object(entries.sorted { $0.key < $1.key }.map { JSONMember($0.key, .string($0.value)) }))
        }
        return ["configTable": .object(table)]
    }

    /// Sets a value; why not, when the store is full.
    mutating func put(_ value: String, for key: String, in namespace: String) -> String? {
        let old = namespaces[namespace]?[key]
        guard old != nil || count < Self.entryLimit else {
            return "the key-value store is full (\(Self.entryLimit) entries)"
        }
        let newBytes =
            bytes - (old.map { Self.bytes($0, key, namespace) } ?? 0) + Self.bytes(value, key, namespace)
        guard newBytes <= Self.byteLimit else {
            return "the key-value store is full (it would have \(newBytes) of \(Self.byteLimit) bytes)"
        }
        bytes = newBytes
        if old == nil { count += 1 }
        namespaces[namespace, default: [:]][key] = value
        return nil
    }

    private static func bytes(_ value: String, _ key: String, _ namespace: String) -> Int {
        value.utf8.count + key.utf8.count + namespace.utf8.count
    }

    func value(for key: String, in namespace: String) -> String? { namespaces[namespace]?[key] }

    func entries(in namespace: String) -> [String: String] { namespaces[namespace] ?? [:] }

    /// Forgets a key; says whether it was there.
    mutating func delete(_ key: String, in namespace: String) -> Bool {
        guard let value = namespaces[namespace]?.removeValue(forKey: key) else { return false }
        count -= 1
        bytes -= Self.bytes(value, key, namespace)
        if namespaces[namespace]?.isEmpty ?? false { namespaces[namespace] = nil }
        return true
    }
}
