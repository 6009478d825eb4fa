extension Inventory {
    /// The hosts as a table: name, how it is reached, the address of the cluster, groups, and what may be done to it.
    public func listText(_ hosts: [InventoryHost]) -> String {
        var rows = [["HOST", "REACHED BY", "ADDRESS", "GROUPS", "ALLOWS"]]
        for host in hosts {
            let connection = host.connection
            let address = connection.address.contains(":") ? "[\(connection.address)]" : connection.address
            var reached = connection.kind == .local ? "local" : "\(connection.user)@\(address):\(connection.port)"
            switch connection.proxy {
            case .command: reached += " (through a command)"
            case .jump(let gate): reached += " (through \(gate.address))"
            case nil: break
            }
            rows.append([
                host.name, reached, host.seatrialAddress, host.groups.joined(separator: ","),
                host.allow.isEmpty ? "-" : host.allow.sorted().joined(separator: ","),
            ])
        }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }
            return cells.joined(separator: "  ")
        }.joined(separator: "\n")
    }

    /// The hosts and the groups that have any of them, in the shape of `ansible-inventory --list`.
    public func listJSON(_ hosts: [InventoryHost]) -> String {
        let chosen = Set(hosts.map(\.name))
        var hostVariables: [String: InventoryValue] = [:]
        for host in hosts { hostVariables[host.name] = .map(host.variables) }
        var top: [String: InventoryValue] = ["_meta": .map(["hostvars": .map(hostVariables)])]
        for group in groups {
            let has = { (name: String) in self.hosts(inGroup: name).contains { chosen.contains($0.name) } }
            let children = group.children.filter(has)
            let own = group.hosts.filter { chosen.contains($0) }
            guard group.name == "all" || !own.isEmpty || !children.isEmpty else { continue }
            var entry: [String: InventoryValue] = [:]
            if !children.isEmpty || group.name == "all" { entry["children"] = .list(children.map { .string($0) }) }
            if !own.isEmpty { entry["hosts"] = .list(own.map { .string($0) }) }
            top[group.name] = .map(entry)
        }
        return JSONText.write(.map(top))
    }

    /// The groups and hosts as a tree, in the shape of `ansible-inventory --graph`.
    ///
    /// - Parameter isShown: which hosts, by name.
    public func graphText(where isShown: (String) -> Bool = { _ in true }) -> String {
        var lines: [String] = []
        draw("all", prefix: "", isShown, into: &lines)
        return lines.joined(separator: "\n")
    }

    private func draw(_ name: String, prefix: String, _ isShown: (String) -> Bool, into lines: inout [String]) {
        lines.append("\(prefix.isEmpty ? "" : prefix + "--")@\(name):")
        guard let group = group(name) else { return }
        let deeper = prefix + "  |"
        for child in group.children { draw(child, prefix: deeper, isShown, into: &lines) }
        for host in group.hosts where isShown(host) { lines.append("\(deeper)--\(host)") }
    }
}
