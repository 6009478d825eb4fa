/// What the files say, before precedence: groups and hosts in order, each variable with its line.
struct RawInventory: Sendable {
    struct Group: Sendable {
        var name: String
        var place: Place
        var hosts: [String] = []
        var children: [String] = []
        /// From the inventory files themselves.
        var variables: [String: PlacedValue] = [:]
        /// From `group_vars/`, which wins over the files.
        var fileVariables: [String: PlacedValue] = [:]
    }

    struct Host: Sendable {
        var name: String
        var place: Place
        var variables: [String: PlacedValue] = [:]
        /// From `host_vars/`.
        var fileVariables: [String: PlacedValue] = [:]
    }

    private(set) var groupOrder: [String] = []
    private(set) var hostOrder: [String] = []
    var groups: [String: Group] = [:]
    var hosts: [String: Host] = [:]

    /// Names a group, the first time with its place.
    mutating func touch(group name: String, at place: Place) {
        guard groups[name] == nil else { return }
        groups[name] = Group(name: name, place: place)
        groupOrder.append(name)
    }

    /// Lists a host in a group. `all` and `ungrouped` list no hosts that another group has.
    mutating func add(host name: String, to group: String, at place: Place) {
        if hosts[name] == nil {
            hosts[name] = Host(name: name, place: place)
            hostOrder.append(name)
        }
        touch(group: group, at: place)
        if groups[group]?.hosts.contains(name) == false { groups[group]?.hosts.append(name) }
    }

    /// Puts a group below another.
    mutating func add(child: String, to group: String, at place: Place) {
        touch(group: child, at: place)
        touch(group: group, at: place)
        if groups[group]?.children.contains(child) == false { groups[group]?.children.append(child) }
    }

    mutating func set(_ name: String, _ value: PlacedValue, group: String) {
        groups[group]?.variables[name] = value
    }

    mutating func set(_ name: String, _ value: PlacedValue, host: String) {
        hosts[host]?.variables[name] = value
    }
}
