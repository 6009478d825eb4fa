import Yams

/// YAML with places: parses, and refuses what only Ansible itself could evaluate.
struct YAMLText {
    let file: String

    /// The document, or nil if it is empty.
    func compose(_ text: String) throws(InventoryError) -> Node? {
        try Refusal.check(text: text, file: file)
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
        where line.prefix(while: { $0 == " " || $0 == "\t" }).contains("\t") && !line.trimmed.isEmpty {
            throw InventoryError(
                .syntax, "a tab in the indentation, which YAML forbids (use spaces)",
                at: Place(file: file, line: index + 1))
        }
        do {
            return try Yams.compose(yaml: text)
        } catch let error as YamlError {
            throw Self.error(error, file: file)
        } catch {
            throw InventoryError(.syntax, "not YAML: \(error)", location: file)
        }
    }

    /// The place of a node.
    func place(_ node: Node) -> Place { Place(file: file, line: node.mark?.line ?? 0) }

    /// A variable's value.
    func value(_ node: Node) throws(InventoryError) -> InventoryValue {
        switch node {
        case .scalar(let scalar):
            return try scalarValue(scalar, node)
        case .sequence(let sequence):
            var values: [InventoryValue] = []
            for item in sequence { values.append(try value(item)) }
            return .list(values)
        case .mapping(let mapping):
            var values: [String: InventoryValue] = [:]
            for (key, item) in mapping { values[key.string ?? ""] = try value(item) }
            return .map(values)
        case .alias:
            throw InventoryError(.syntax, "an alias without its anchor", at: place(node))
        }
    }

    private func scalarValue(_ scalar: Node.Scalar, _ node: Node) throws(InventoryError) -> InventoryValue {
        let text = scalar.string
        switch node.tag.rawValue {
        case Tag.Name.null.rawValue: return .null
        case Tag.Name.bool.rawValue: return .bool(node.bool ?? false)
        case Tag.Name.int.rawValue: return node.int.map { .int($0) } ?? .string(text)
        case Tag.Name.float.rawValue: return node.float.map { .double($0) } ?? .string(text)
        case "!vault", "!vault-encrypted":
            throw Refusal.vault(at: place(node))
        default:
            try Refusal.check(value: text, at: place(node))
            return .string(text)
        }
    }

    private static func error(_ error: YamlError, file: String) -> InventoryError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return InventoryError(.syntax, "not YAML: \(problem)", at: Place(file: file, line: mark.line))
        case .duplicatedKeysInMapping(let duplicates, let context):
            let names = duplicates.map { "'\($0)'" }.joined(separator: ", ")
            return InventoryError(
                .syntax, "\(names) is there twice in one mapping (merge the two)",
                at: Place(file: file, line: context.mark.line))
        default:
            return InventoryError(
                .syntax, "not YAML, and not text that could be (is it a binary file?)", location: file)
        }
    }
}
