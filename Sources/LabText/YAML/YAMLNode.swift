/// A piece of a YAML document that knows its line.
public struct YAMLNode: Sendable, Hashable {
    /// What stands there.
    public enum Content: Sendable, Hashable {
        case scalar(YAMLScalar)
        case sequence([YAMLNode])
        /// In the file's order; no key stands twice.
        case mapping([Entry])
    }

    /// One `key: value` of a mapping.
    public struct Entry: Sendable, Hashable {
        public var key: YAMLNode
        public var value: YAMLNode
    }

    public var content: Content
    /// Where it begins; the first line is 1.
    public var line: Int
    /// An explicit tag such as `!vault`; nil when the document gave none.
    public var tag: String?

    /// The scalar, or nil for a sequence or a mapping.
    public var scalar: YAMLScalar? {
        if case .scalar(let scalar) = content { scalar } else { nil }
    }

    /// The text of a scalar, quoted or not; nil for a sequence or a mapping.
    public var text: String? { scalar?.text }

    /// The items of a sequence.
    public var sequence: [YAMLNode]? {
        if case .sequence(let items) = content { items } else { nil }
    }

    /// The entries of a mapping, in the file's order.
    public var mapping: [Entry]? {
        if case .mapping(let entries) = content { entries } else { nil }
    }

    /// Whether nothing stands there: `key:`, `~` or `null`.
    public var isNull: Bool { scalar?.value == .null }

    /// The value of a mapping's key; nil also when this is no mapping.
    public subscript(key: String) -> YAMLNode? { entry(key)?.value }

    /// A mapping's key with its value; nil also when this is no mapping.
    public func entry(_ key: String) -> Entry? { mapping?.first { $0.key.text == key } }

    /// The same mapping with another's entries in place of its own of that name, or behind them.
    public func merged(with other: YAMLNode) -> YAMLNode {
        var entries = mapping ?? []
        for entry in other.mapping ?? [] {
            if let index = entries.firstIndex(where: { $0.key.text == entry.key.text }) {
                entries[index] = entry
            } else {
                entries.append(entry)
            }
        }
        var node = self
        node.content = .mapping(entries)
        return node
    }

    /// How many nodes stand below and here, each alias counted as what it stands for.
    var count: Int {
        switch content {
        case .scalar: 1
        case .sequence(let items): items.reduce(1) { $0 + $1.count }
        case .mapping(let entries): entries.reduce(1) { $0 + $1.key.count + $1.value.count }
        }
    }
}
