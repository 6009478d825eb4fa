import MQWire

/// The consumer groups of this broker. Pure; saved as `subscriptionGroup.json`.
struct SubscriptionGroupTable: Sendable {
    private var groups: [String: SubscriptionGroup] = [:]
    private(set) var dataVersion = DataVersion()
    /// Whether it changed since it was last saved.
    var isDirty = false

    init() {}

    init(json: JSONValue) {
        for member in json["subscriptionGroupTable"]?.objectValue ?? [] {
            if let group = try? SubscriptionGroup(json: member.value) { groups[group.name] = group }
        }
        if let value = json["dataVersion"], let version = try? DataVersion(json: value) { dataVersion = version }
    }

    var json: JSONValue {
        [
            "dataVersion": dataVersion.json,
            "subscriptionGroupTable": .object(
                groups.values.sorted { $0.name < $1.name }.map { JSONMember($0.name, $0.json) }),
        ]
    }

    subscript(name: String) -> SubscriptionGroup? { groups[name] }

    /// The names of all groups, sorted.
    var names: [String] { groups.keys.sorted() }

    /// The groups that clients may make by using them; beyond, they have the defaults and are not kept.
    static let clientLimit = 50_000

    /// The group, made with the defaults when it is new.
    mutating func ensure(_ name: String, nowMilliseconds: Int64) -> SubscriptionGroup {
        if let group = groups[name] { return group }
        let group = SubscriptionGroup(name: name)
        // Clients may name what they like; what they name is kept, saved and sent only up to here.
        guard groups.count < Self.clientLimit else { return group }
        put(group, nowMilliseconds: nowMilliseconds)
        return group
    }

    mutating func put(_ group: SubscriptionGroup, nowMilliseconds: Int64) {
        groups[group.name] = group
        dataVersion.advance(nowMilliseconds: nowMilliseconds)
        isDirty = true
    }

    /// Takes over a master's table, with its version.
    mutating func replace(with other: SubscriptionGroupTable) {
        guard groups != other.groups || dataVersion != other.dataVersion else { return }
        (groups, dataVersion) = (other.groups, other.dataVersion)
        isDirty = true
    }

    mutating func remove(_ name: String, nowMilliseconds: Int64) {
        guard groups.removeValue(forKey: name) != nil else { return }
        dataVersion.advance(nowMilliseconds: nowMilliseconds)
        isDirty = true
    }
}
