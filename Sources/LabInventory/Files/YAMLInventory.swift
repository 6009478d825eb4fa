import LabText

/// Ansible's YAML inventory: group names over `hosts`, `vars` and `children`.
struct YAMLInventory {
    private let yaml: YAMLText
    private static let sections = ["hosts", "vars", "children"]

    init(file: String) { yaml = YAMLText(file: file) }

    /// Adds a file's text to what other files said.
    func read(_ text: String, into raw: inout RawInventory) throws(InventoryError) {
        guard let root = try yaml.compose(text), !root.isNull else { return }
        guard let groups = root.mapping else {
            throw InventoryError(.invalid, "expected group names at the top (all:, brokers:, …)", at: yaml.place(root))
        }
        if let plugin = root.entry("plugin") {
            throw InventoryError(
                .unsupported,
                "dynamic inventory plugin '\(plugin.value.text ?? "?")' is not run "
                    + "(save the output of 'ansible-inventory --list --yaml' instead)", at: yaml.place(plugin.key))
        }
        for group in groups { try readGroup(group.key, group.value, into: &raw) }
    }

    private func readGroup(_ key: YAMLNode, _ node: YAMLNode, into raw: inout RawInventory) throws(InventoryError) {
        let place = yaml.place(key)
        guard let name = key.text, !name.isEmpty else {
            throw InventoryError(.invalid, "expected a group's name", at: place)
        }
        raw.touch(group: name, at: place)
        if node.isNull { return }
        guard let sections = node.mapping else {
            throw InventoryError(
                .invalid, "group '\(name)': expected hosts:, vars: or children: below it", at: yaml.place(node))
        }
        for entry in sections {
            let (key, section) = (entry.key, entry.value)
            let title = key.text ?? ""
            guard Self.sections.contains(title) else {
                throw InventoryError(
                    .invalid,
                    "group '\(name)': unknown key '\(title)'\(Nearest.aside(for: title, among: Self.sections)) "
                        + "(expected hosts:, vars: or children:; hosts belong below hosts:)", at: yaml.place(key))
            }
            if section.isNull { continue }
            guard let entries = section.mapping else {
                throw InventoryError(
                    .invalid, "group '\(name)': expected names with a colon below \(title):, not a list or a word",
                    at: yaml.place(section))
            }
            for entry in entries {
                let (key, value) = (entry.key, entry.value)
                switch title {
                case "hosts": try readHost(key, value, in: name, into: &raw)
                case "vars": raw.set(try variableName(key), try placed(value), group: name)
                default:
                    try readGroup(key, value, into: &raw)
                    raw.add(child: key.text ?? "", to: name, at: yaml.place(key))
                }
            }
        }
    }

    private func readHost(
        _ key: YAMLNode, _ node: YAMLNode, in group: String, into raw: inout RawInventory
    ) throws(InventoryError) {
        let place = yaml.place(key)
        guard let entry = key.text, !entry.isEmpty else {
            throw InventoryError(.invalid, "group '\(group)': expected a host's name", at: place)
        }
        var variables: [String: PlacedValue] = [:]
        if !node.isNull {
            guard let mapping = node.mapping else {
                throw InventoryError(
                    .invalid, "host '\(entry)': expected variables below it (ansible_host: …), not a word",
                    at: yaml.place(node))
            }
            for entry in mapping { variables[try variableName(entry.key)] = try placed(entry.value) }
        }
        for name in try HostRange.expand(entry, at: place) {
            raw.add(host: name, to: group, at: place)
            for (variable, value) in variables { raw.set(variable, value, host: name) }
        }
    }

    private func variableName(_ key: YAMLNode) throws(InventoryError) -> String {
        guard let name = key.text, !name.isEmpty else {
            throw InventoryError(.invalid, "expected a variable's name", at: yaml.place(key))
        }
        return name
    }

    private func placed(_ node: YAMLNode) throws(InventoryError) -> PlacedValue {
        PlacedValue(value: try yaml.value(node), place: yaml.place(node))
    }
}
