/// The groups as a tree under `all`: cycles refused, depths, and who is in what. A pure value.
struct GroupTree {
    /// Names from `all` downwards, in the files' order.
    private(set) var order: [String] = []
    private(set) var depths: [String: Int] = [:]
    private(set) var children: [String: [String]] = [:]
    /// The groups of each host, directly or through children, without `all`.
    private(set) var groupsOfHost: [String: Set<String>] = [:]
    private let raw: RawInventory

    init(_ raw: RawInventory) throws(InventoryError) {
        self.raw = raw
        try refuseCycles()
        let below = Set(raw.groups.values.filter { $0.name != "all" }.flatMap(\.children))
        for (name, group) in raw.groups { children[name] = group.children }
        let top = raw.groupOrder.filter { $0 != "all" && $0 != "ungrouped" && !below.contains($0) }
        children["all"] = ["ungrouped"] + top
        children["ungrouped"] = children["ungrouped"] ?? []
        visit("all", depth: 0)
        order = ["all", "ungrouped"] + raw.groupOrder.filter { $0 != "all" && $0 != "ungrouped" }
        for name in order where name != "all" {
            for host in raw.groups[name]?.hosts ?? [] {
                groupsOfHost[host, default: []].formUnion(ancestors(of: name))
            }
        }
    }

    /// All hosts of a group, its children's included, in the inventory's order.
    func hosts(in group: String) -> [String] {
        if group == "all" { return raw.hostOrder }
        if group == "ungrouped" { return raw.hostOrder.filter { isUngrouped($0) } }
        return raw.hostOrder.filter { groupsOfHost[$0]?.contains(group) ?? false }
    }

    /// Whether no group but `all` and `ungrouped` has the host.
    func isUngrouped(_ host: String) -> Bool {
        (groupsOfHost[host] ?? []).subtracting(["ungrouped"]).isEmpty
    }

    /// Groups in the order in which their variables are laid over each other.
    func byPrecedence(_ names: some Sequence<String>) -> [String] {
        names.sorted { first, second in
            (depths[first] ?? 0, priority(first), first) < (depths[second] ?? 0, priority(second), second)
        }
    }

    /// `ansible_group_priority` decides between groups of one depth; 1 unless set.
    private func priority(_ name: String) -> Int {
        raw.groups[name]?.variables["ansible_group_priority"]?.value.integer ?? 1
    }

    private func ancestors(of group: String) -> Set<String> {
        var found: Set<String> = [group]
        var waiting = [group]
        while let name = waiting.popLast() {
            for (parent, children) in children where parent != "all" && children.contains(name) {
                if found.insert(parent).inserted { waiting.append(parent) }
            }
        }
        return found
    }

    private mutating func visit(_ name: String, depth: Int) {
        guard depth > depths[name] ?? -1 else { return }
        depths[name] = depth
        for child in children[name] ?? [] { visit(child, depth: depth + 1) }
    }

    private func refuseCycles() throws(InventoryError) {
        var isDone: Set<String> = []
        for name in raw.groupOrder { try follow(name, path: [], &isDone) }
    }

    private func follow(_ name: String, path: [String], _ isDone: inout Set<String>) throws(InventoryError) {
        if let start = path.firstIndex(of: name) {
            let chain = (path[start...] + [name]).joined(separator: " → ")
            throw InventoryError(
                .cycle, "groups contain each other: \(chain) (take one of the children out)",
                at: raw.groups[name]?.place ?? Place(file: "inventory", line: 0))
        }
        guard !isDone.contains(name) else { return }
        for child in raw.groups[name]?.children ?? [] {
            if child == "all" {
                throw InventoryError(
                    .cycle, "group '\(name)' has 'all' as a child, which is above every group",
                    at: raw.groups[name]?.place ?? Place(file: "inventory", line: 0))
            }
            try follow(child, path: path + [name], &isDone)
        }
        isDone.insert(name)
    }
}
