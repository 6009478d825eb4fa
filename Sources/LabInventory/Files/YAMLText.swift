import LabText

/// YAML with places: parses, and refuses what only Ansible itself could evaluate.
struct YAMLText {
    let file: String

    /// The document, or nil if it is empty.
    func compose(_ text: String) throws(InventoryError) -> YAMLNode? {
        try Refusal.check(text: text, file: file)
        do {
            return try YAMLParser.parse(text, limits: .large)
        } catch {
            guard let line = error.line else { throw InventoryError(.syntax, error.text, location: file) }
            throw InventoryError(.syntax, error.text, at: Place(file: file, line: line))
        }
    }

    /// The place of a node.
    func place(_ node: YAMLNode) -> Place { Place(file: file, line: node.line) }

    /// A variable's value.
    func value(_ node: YAMLNode) throws(InventoryError) -> InventoryValue {
        switch node.content {
        case .scalar(let scalar): return try value(scalar, node)
        case .sequence(let items):
            var values: [InventoryValue] = []
            for item in items { values.append(try value(item)) }
            return .list(values)
        case .mapping(let entries):
            var values: [String: InventoryValue] = [:]
            for entry in entries { values[entry.key.text ?? ""] = try value(entry.value) }
            return .map(values)
        }
    }

    private func value(_ scalar: YAMLScalar, _ node: YAMLNode) throws(InventoryError) -> InventoryValue {
        if let tag = node.tag, tag.hasPrefix("!vault") { throw Refusal.vault(at: place(node)) }
        switch scalar.value {
        case .null: return .null
        case .bool(let value): return .bool(value)
        case .int(let value): return .int(value)
        case .double(let value): return .double(value)
        case .string:
            try Refusal.check(value: scalar.text, at: place(node))
            return .string(scalar.text)
        }
    }
}
