import LabText

/// Ansible's INI inventory: `[group]`, `[group:vars]`, `[group:children]`, and hosts with `key=value` behind them.
struct INIInventory {
    private enum Section {
        case hosts(String)
        case variables(String)
        case children(String)
    }

    let file: String

    /// Adds a file's text to what other files said.
    func read(_ text: String, into raw: inout RawInventory) throws(InventoryError) {
        try Refusal.check(text: text, file: file)
        var section = Section.hosts("ungrouped")
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let place = Place(file: file, line: index + 1)
            let content = line.trimmed
            if content.isEmpty || content.hasPrefix("#") || content.hasPrefix(";") { continue }
            if content.hasPrefix("["), let title = Self.title(content) {
                section = try begin(title, at: place, into: &raw)
                continue
            }
            switch section {
            case .hosts(let group): try readHost(content, in: group, at: place, into: &raw)
            case .variables(let group):
                let (name, value) = try assignment(content, at: place)
                raw.set(name, value, group: group)
            case .children(let group):
                let words = try ShellWords.split(String(content), at: place)
                guard words.count == 1 else {
                    throw InventoryError(
                        .invalid, "expected one group's name below [\(group):children]", at: place)
                }
                raw.add(child: words[0], to: group, at: place)
            }
        }
    }

    /// A whole line in brackets, up to a comment. (A host name may begin with a range: `[a:c]-node`.)
    private static func title(_ content: Substring) -> Substring? {
        guard let close = content.firstIndex(of: "]") else { return nil }
        let rest = content[content.index(after: close)...].trimmed
        guard rest.isEmpty || rest.hasPrefix("#") || rest.hasPrefix(";") else { return nil }
        return content[content.index(after: content.startIndex)..<close]
    }

    private func begin(
        _ title: Substring, at place: Place, into raw: inout RawInventory
    ) throws(InventoryError) -> Section {
        let parts = title.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map {
            String($0.trimmed)
        }
        guard let name = parts.first, !name.isEmpty else {
            throw InventoryError(.invalid, "expected a group's name in the brackets", at: place)
        }
        raw.touch(group: name, at: place)
        switch parts.count > 1 ? parts[1] : "hosts" {
        case "hosts": return .hosts(name)
        case "vars": return .variables(name)
        case "children": return .children(name)
        case let kind:
            throw InventoryError(
                .invalid,
                "section [\(title)]: unknown kind '\(kind)'"
                    + "\(Nearest.aside(for: kind, among: ["vars", "children", "hosts"])) "
                    + "(expected [\(name)], [\(name):vars] or [\(name):children])", at: place)
        }
    }

    private func readHost(
        _ content: Substring, in group: String, at place: Place, into raw: inout RawInventory
    ) throws(InventoryError) {
        let words = try ShellWords.split(String(content), at: place)
        guard var entry = words.first else { return }
        var port: Int?
        // `host:2222`, but not the colon of a range or of an IPv6 address.
        let tail = entry.lastIndex(of: "]").map { entry[$0...] } ?? entry[...]
        if tail.filter({ $0 == ":" }).count == 1, let colon = tail.firstIndex(of: ":") {
            guard let given = Int(entry[entry.index(after: colon)...]), (1...65535).contains(given) else {
                throw InventoryError(.invalid, "host '\(entry)': expected a port after the colon", at: place)
            }
            port = given
            entry = String(entry[..<colon])
        }
        for name in try HostRange.expand(entry, at: place) {
            raw.add(host: name, to: group, at: place)
            if let port { raw.set("ansible_port", PlacedValue(value: .int(port), place: place), host: name) }
            for word in words.dropFirst() {
                guard word.contains("=") else {
                    throw InventoryError(
                        .invalid, "host '\(name)': '\(word)' is not a variable (expected key=value)", at: place)
                }
                let (variable, value) = try assignment(word[...], at: place)
                raw.set(variable, value, host: name)
            }
        }
    }

    private func assignment(
        _ content: Substring, at place: Place
    ) throws(InventoryError) -> (name: String, value: PlacedValue) {
        guard let equals = content.firstIndex(of: "=") else {
            throw InventoryError(.invalid, "'\(content)' is not a variable (expected key=value)", at: place)
        }
        let name = String(content[..<equals].trimmed)
        let text = String(content[content.index(after: equals)...].trimmed)
        guard !name.isEmpty else { throw InventoryError(.invalid, "a variable without a name", at: place) }
        try Refusal.check(value: text, at: place)
        return (name, PlacedValue(value: Self.value(text), place: place))
    }

    /// Ansible reads these values as Python literals and leaves the rest as text.
    static func value(_ text: String) -> InventoryValue {
        switch text {
        case "True", "true": return .bool(true)
        case "False", "false": return .bool(false)
        case "None", "null": return .null
        default: break
        }
        if let number = Int(text), !(text.hasPrefix("0") && text.count > 1) { return .int(number) }
        for quote in ["'", "\""] where text.count >= 2 && text.hasPrefix(quote) && text.hasSuffix(quote) {
            return .string(String(text.dropFirst().dropLast()))
        }
        if text.hasPrefix("["), text.hasSuffix("]") {
            let items = text.dropFirst().dropLast().split(separator: ",").map { value(String($0.trimmed)) }
            return .list(items)
        }
        return .string(text)
    }
}
