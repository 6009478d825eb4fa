import LabText
import Yams

/// Ansible's YAML inventory: group names over `hosts`, `vars` and `children`.
struct YAMLInventory {
    private let yaml: YAMLText
    private static let sections = ["hosts", "vars", "children"]

    init(file: String) { yaml = YAMLText(file: file) }

    /// Adds a file's text to what other files said.
    func read(_ text: String, into raw: inout RawInventory) throws(InventoryError) {
        guard let root = try yaml.compose(text), !isEmpty(root) else { return }
        guard let groups = root.mapping else {
            throw InventoryError(.invalid, "expected group names at the top (all:, brokers:, …)", at: yaml.place(root))
        }
        if let plugin = groups.first(where: { $0.key.string == "plugin" }) {
            throw InventoryError(
                .unsupported,
                "dynamic inventory plugin '\(plugin.value.string ?? "?")' is not run "
                    + "(save the output of 'ansible-inventory --list --yaml' instead)", at: yaml.place(plugin.key))
        }
        for (key, node) in groups { try readGroup(key, node, into: &raw) }
    }

    private func readGroup(_ key: Node, _ node: Node, into raw: inout RawInventory) throws(InventoryError) {
        let place = yaml.place(key)
        guard let name = key.scalar?.string, !name.isEmpty else {
            throw InventoryError(.invalid, "expected a group's name", at: place)
        }
        raw.touch(group: name, at: place)
        if isEmpty(node) { return }
        guard let sections = node.mapping else {
            throw InventoryError(
                .invalid, "group '\(name)': expected hosts:, vars: or children: below it", at: yaml.place(node))
        }
        for (key, section) in sections {
            let title = key.scalar?.string ?? ""
            guard Self.sections.contains(title) else {
                throw InventoryError(
                    .invalid,
                    "group '\(name)': unknown key '\(title)'\(Nearest.aside(for: title, among: Self.sections)) "
                        + "(expected hosts:, vars: or children:; hosts belong below hosts:)", at: yaml.place(key))
            }
            if isEmpty(section) { continue }
            guard let entries = section.mapping else {
                throw InventoryError(
                    .invalid, "group '\(name)': expected names with a colon below \(title):, not a list or a word",
                    at: yaml.place(section))
            }
            for (key, value) in entries {
                switch title {
                case "hosts": try readHost(key, value, in: name, into: &raw)
                case "vars": raw.set(try variableName(key), try placed(value), group: name)
                default:
                    try readGroup(key, value, into: &raw)
                    raw.add(child: key.scalar?.string ?? "", to: name, at: yaml.place(key))
                }
            }
        }
    }

    private func readHost(
        _ key: Node, _ node: Node, in group: String, into raw: inout RawInventory
    ) throws(InventoryError) {
        let place = yaml.place(key)
        guard let entry = key.scalar?.string, !entry.isEmpty else {
            throw InventoryError(.invalid, "group '\(group)': expected a host's name", at: place)
        }
        var variables: [String: PlacedValue] = [:]
        if !isEmpty(node) {
            guard let mapping = node.mapping else {
                throw InventoryError(
                    .invalid, "host '\(entry)': expected variables below it (ansible_host: …), not a word",
                    at: yaml.place(node))
            }
            for (key, value) in mapping { variables[try variableName(key)] = try placed(value) }
        }
        for name in try HostRange.expand(entry, at: place) {
            raw.add(host: name, to: group, at: place)
            for (variable, value) in variables { raw.set(variable, value, host: name) }
        }
    }

    private func variableName(_ key: Node) throws(InventoryError) -> String {
        guard let name = key.scalar?.string, !name.isEmpty else {
            throw InventoryError(.invalid, "expected a variable's name", at: yaml.place(key))
        }
        return name
    }

    private func placed(_ node: Node) throws(InventoryError) -> PlacedValue {
        PlacedValue(value: try yaml.value(node), place: yaml.place(node))
    }

    private func isEmpty(_ node: Node) -> Bool {
        node.scalar != nil && node.tag.rawValue == Tag.Name.null.rawValue
    }
}
