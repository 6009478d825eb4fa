/// Reads one YAML document into nodes that know their lines, by libyaml's events.
///
/// A document may be a stranger's. Nesting and size are bounded, and an alias counts as large as what it stands for,
/// so that a few lines can't unfold to gigabytes.
public struct YAMLParser {
    /// What a document may hold.
    public struct Limits: Sendable {
        /// How deep mappings and sequences nest.
        public var depth: Int
        /// How many nodes there are, aliases unfolded.
        public var nodes: Int
        /// Whether anchors (`&name`), aliases (`*name`) and merge keys (`<<`) are taken.
        public var takesReferences: Bool

        public init(depth: Int, nodes: Int, takesReferences: Bool) {
            self.depth = depth
            self.nodes = nodes
            self.takesReferences = takesReferences
        }

        /// Files of a course or of a stranger: flat, short and without references.
        public static let small = Limits(depth: 16, nodes: 10_000, takesReferences: false)
        /// Inventories, which may be large and made by a program.
        public static let large = Limits(depth: 64, nodes: 1_000_000, takesReferences: true)
    }

    /// The document, or nil when there is none (an empty file, or comments only).
    /// - Throws: `YAMLMistake` with the line.
    public static func parse(_ text: String, limits: Limits) throws(YAMLMistake) -> YAMLNode? {
        var text = text
        do {
            return try text.withUTF8 { bytes in
                let events = EventStream(bytes)
                defer { events.end() }
                var parser = Self(limits: limits, events: events)
                return try parser.document()
            }
        } catch let mistake as YAMLMistake {
            throw tabbed(mistake, text)
        } catch {
            throw YAMLMistake(.syntax, line: nil, "it is not YAML")
        }
    }

    /// A tab in the indentation has many faces in a parser's words; people are told the one thing that it is.
    private static func tabbed(_ mistake: YAMLMistake, _ text: String) -> YAMLMistake {
        guard mistake.kind == .syntax, let line = mistake.line else { return mistake }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).prefix(line)
        guard
            let tabbed = lines.lastIndex(where: { $0.prefix { $0 == " " || $0 == "\t" }.contains("\t") }),
            lines[tabbed].contains(where: { !$0.isWhitespace })
        else { return mistake }
        return YAMLMistake(.syntax, line: tabbed + 1, "a tab stands where YAML wants spaces; indent with spaces")
    }

    private let limits: Limits
    private let events: EventStream
    private var anchors: [String: YAMLNode] = [:]
    private var nodes = 0

    private init(limits: Limits, events: EventStream) {
        self.limits = limits
        self.events = events
    }

    private mutating func document() throws(YAMLMistake) -> YAMLNode? {
        var root: YAMLNode?
        while true {
            let event = try events.next()
            switch event.kind {
            case .streamStart, .documentStart, .documentEnd: continue
            case .streamEnd: return root
            default:
                guard root == nil else {
                    throw YAMLMistake(.syntax, line: event.line, "a second document begins; keep one in a file")
                }
                root = try node(event, depth: 0)
            }
        }
    }

    private mutating func node(_ event: EventStream.Event, depth: Int) throws(YAMLMistake) -> YAMLNode {
        guard depth <= limits.depth else {
            throw YAMLMistake(.syntax, line: event.line, "it nests too deep; write it flatter")
        }
        let content: YAMLNode.Content
        switch event.kind {
        case .alias:
            try refuseReference(event)
            guard let node = anchors[event.anchor ?? ""] else {
                throw YAMLMistake(.syntax, line: event.line, "the alias *\(event.anchor ?? "") has no anchor before it")
            }
            try count(node.count, event)
            return node
        case .scalar(let scalar): content = .scalar(scalar)
        case .sequenceStart: content = .sequence(try items(depth: depth + 1))
        case .mappingStart: content = .mapping(try entries(depth: depth + 1))
        default: throw YAMLMistake(.syntax, line: event.line, "it is not YAML")
        }
        try count(1, event)
        let node = YAMLNode(content: content, line: event.line, tag: event.tag)
        if let anchor = event.anchor {
            try refuseReference(event)
            anchors[anchor] = node
        }
        return node
    }

    private mutating func items(depth: Int) throws(YAMLMistake) -> [YAMLNode] {
        var items: [YAMLNode] = []
        while true {
            let event = try events.next()
            if case .sequenceEnd = event.kind { return items }
            items.append(try node(event, depth: depth))
        }
    }

    private mutating func entries(depth: Int) throws(YAMLMistake) -> [YAMLNode.Entry] {
        var entries: [YAMLNode.Entry] = []
        var merges: [YAMLNode.Entry] = []
        var seen: Set<YAMLNode.Content> = []
        // `1` and '1' are two keys to YAML and one to everybody who looks a key up by its text.
        func isNew(_ key: YAMLNode) -> Bool {
            seen.insert(key.text.map { .scalar(YAMLScalar(text: $0, isPlain: false)) } ?? key.content).inserted
        }
        while true {
            let event = try events.next()
            if case .mappingEnd = event.kind { break }
            let key = try node(event, depth: depth)
            let value = try node(try events.next(), depth: depth)
            if limits.takesReferences, key.scalar == YAMLScalar(text: "<<", isPlain: true) {
                merges += try merged(value)
                continue
            }
            guard isNew(key) else {
                let name = key.text.map { "'\(Nearest.shown($0))'" } ?? "this key"
                throw YAMLMistake(.syntax, line: key.line, "\(name) is given twice in one mapping; keep one")
            }
            entries.append(.init(key: key, value: value))
        }
        // What a mapping says itself wins over what it merges, and the first merge over the next.
        for entry in merges where isNew(entry.key) { entries.append(entry) }
        return entries
    }

    private func merged(_ value: YAMLNode) throws(YAMLMistake) -> [YAMLNode.Entry] {
        switch value.content {
        case .mapping(let entries): return entries
        case .sequence(let items) where items.allSatisfy({ $0.mapping != nil }):
            return items.flatMap { $0.mapping ?? [] }
        default: throw YAMLMistake(.syntax, line: value.line, "'<<' merges a mapping or a list of mappings")
        }
    }

    private func refuseReference(_ event: EventStream.Event) throws(YAMLMistake) {
        guard !limits.takesReferences else { return }
        throw YAMLMistake(
            .syntax, line: event.line,
            "anchors (&) and aliases (*) are not taken here; write the value out, or put it in quotes")
    }

    private mutating func count(_ more: Int, _ event: EventStream.Event) throws(YAMLMistake) {
        nodes += more
        guard nodes <= limits.nodes else {
            throw YAMLMistake(.syntax, line: event.line, "it holds more than \(limits.nodes) values; shorten it")
        }
    }
}
