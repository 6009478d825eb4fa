public import SystemPackage

/// The hosts of an Ansible inventory, their groups and variables.
///
/// A value: after `load` nothing is read again. Variables are laid over each other as Ansible does it: `all`, then
/// parents, then children (deeper wins; in one depth `ansible_group_priority`, then the name), `group_vars/` over the
/// files' own, and last the host's own and `host_vars/`.
public struct Inventory: Sendable {
    /// All hosts, in the order of the files.
    public let hosts: [InventoryHost]
    /// All groups; `all` and `ungrouped` first, the others in the order of the files.
    public let groups: [InventoryGroup]
    /// What the files say and the lab does not do, each with its place.
    public let warnings: [String]

    private let membership: [String: Set<String>]

    /// Loads inventories and an `ssh_config`.
    ///
    /// - Parameters:
    ///   - paths: Files or folders, YAML or INI; what comes later wins.
    ///   - sshConfig: An `ssh_config` for what the inventory leaves open; none is read by default.
    ///   - environment: Home, user and resolver. A host without `ansible_host` must resolve.
    /// - Throws: `InventoryError` with file, line and what was expected.
    public static func load(
        _ paths: [FilePath], sshConfig: FilePath? = nil, environment: InventoryEnvironment = .system
    ) throws(InventoryError) -> Inventory {
        var config = SSHConfigFile()
        if let sshConfig {
            guard let text = try InventoryFiles.text(of: sshConfig) else {
                throw InventoryError(.unreadable, "there is no such ssh_config", location: sshConfig.string)
            }
            config = try SSHConfigFile(text: text, file: sshConfig.string)
        }
        let inventory = try Inventory(InventoryFiles.read(paths), sshConfig: config, environment: environment)
        guard !inventory.hosts.isEmpty else {
            throw InventoryError(
                .invalid, "no hosts in it; add some, as in 'all: {hosts: {v1: {ansible_host: 192.0.2.1}}}'",
                location: paths.map(\.string).joined(separator: ", "))
        }
        return inventory
    }

    /// Applies precedence to what the files say.
    init(_ raw: RawInventory, sshConfig: SSHConfigFile, environment: InventoryEnvironment) throws(InventoryError) {
        let tree = try GroupTree(raw)
        var builder = HostBuilder(sshConfig: sshConfig, environment: environment)
        var hosts: [InventoryHost] = []
        for name in raw.hostOrder {
            guard let host = raw.hosts[name] else { continue }
            let groups = tree.byPrecedence(tree.groupsOfHost[name] ?? [])
            let isUngrouped = tree.isUngrouped(name)
            let lineage = ["all"] + (isUngrouped ? ["ungrouped"] : groups.filter { $0 != "ungrouped" })
            var variables: [String: PlacedValue] = [:]
            for group in lineage { variables.merge(raw.groups[group]?.variables ?? [:]) { $1 } }
            for group in lineage { variables.merge(raw.groups[group]?.fileVariables ?? [:]) { $1 } }
            variables.merge(host.variables) { $1 }
            variables.merge(host.fileVariables) { $1 }
            hosts.append(
                try builder.host(
                    name, groups: Array(lineage.dropFirst()), variables: variables, at: host.place))
        }
        self.hosts = hosts
        var membership: [String: Set<String>] = [:]
        for name in tree.order { membership[name] = Set(tree.hosts(in: name)) }
        self.membership = membership
        groups = tree.order.map { name in
            let group = raw.groups[name]
            let own = name == "ungrouped" ? tree.hosts(in: name) : name == "all" ? [] : group?.hosts ?? []
            let variables = (group?.variables ?? [:]).merging(group?.fileVariables ?? [:]) { $1 }
            return InventoryGroup(
                name: name, hosts: own, children: tree.children[name] ?? [],
                variables: variables.mapValues(\.value), depth: tree.depths[name] ?? 0)
        }
        warnings = sshConfig.warnings + builder.warnings
    }

    /// The hosts that a pattern means, in the inventory's order.
    ///
    /// `a:b` (or `a,b`) either, `a:&b` both, `a:!b` not b; names of hosts and groups, `*`, `?` and `[abc]`, `all`.
    /// - Parameters:
    ///   - pattern: What is asked for.
    ///   - limit: A second pattern that cuts the first down (`--limit`).
    /// - Throws: `InventoryError` with `unknownName` and the nearest name there is.
    public func select(_ pattern: String, limit: String? = nil) throws(InventoryError) -> [InventoryHost] {
        var names = try HostPattern(pattern).names(in: self)
        if let limit { names.formIntersection(try HostPattern(limit).names(in: self)) }
        return hosts.filter { names.contains($0.name) }
    }

    /// The hosts of a group, its children's included; none if there is no such group.
    public func hosts(inGroup name: String) -> [InventoryHost] {
        let names = membership[name] ?? []
        return hosts.filter { names.contains($0.name) }
    }

    /// The group of that name.
    public func group(_ name: String) -> InventoryGroup? { groups.first { $0.name == name } }

    /// The host of that name.
    public func host(_ name: String) -> InventoryHost? { hosts.first { $0.name == name } }
}
