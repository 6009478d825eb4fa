import LabText

/// Ansible's host patterns. Unions are taken first, then intersections, then exclusions, wherever they stand.
struct HostPattern {
    private let text: String
    private var unions: [String] = []
    private var intersections: [String] = []
    private var exclusions: [String] = []

    /// Takes a pattern apart.
    init(_ text: String) throws(InventoryError) {
        self.text = text
        for term in Self.terms(text) {
            if term.hasPrefix("~") || term.dropFirst().hasPrefix("~") {
                throw InventoryError(
                    .unsupported, "regular expressions ('\(term)') are not understood (use * and ?)", location: text)
            }
            let name = String(term.drop { $0 == "!" || $0 == "&" })
            guard !name.isEmpty else {
                throw InventoryError(.syntax, "'\(term)' names nothing", location: "pattern '\(text)'")
            }
            switch term.first {
            case "!": exclusions.append(name)
            case "&": intersections.append(name)
            default: unions.append(name)
            }
        }
        guard !unions.isEmpty || !intersections.isEmpty || !exclusions.isEmpty else {
            throw InventoryError(.syntax, "the pattern is empty (write 'all' for all hosts)", location: "pattern")
        }
        if unions.isEmpty { unions = ["all"] }
    }

    /// The names of the hosts that it means.
    func names(in inventory: Inventory) throws(InventoryError) -> Set<String> {
        var names: Set<String> = []
        for term in unions { names.formUnion(try hosts(term, inventory)) }
        for term in intersections { names.formIntersection(try hosts(term, inventory)) }
        for term in exclusions { names.subtract(try hosts(term, inventory)) }
        return names
    }

    private func hosts(_ term: String, _ inventory: Inventory) throws(InventoryError) -> [String] {
        if term == "all" || term == "*" { return inventory.hosts.map(\.name) }
        if inventory.group(term) != nil { return inventory.hosts(inGroup: term).map(\.name) }
        if inventory.host(term) != nil { return [term] }
        if let (group, range) = Self.subscript(term), inventory.group(group) != nil {
            return Self.cut(inventory.hosts(inGroup: group).map(\.name), range)
        }
        var found: [String] = []
        if Wildcard.isPattern(term) {
            for group in inventory.groups where group.name != "all" && Wildcard.matches(term, group.name) {
                found += inventory.hosts(inGroup: group.name).map(\.name)
            }
            found += inventory.hosts.map(\.name).filter { Wildcard.matches(term, $0) }
        }
        guard !found.isEmpty else {
            let known = inventory.groups.map(\.name) + inventory.hosts.map(\.name)
            throw InventoryError(
                .unknownName, "no host or group is called '\(term)'\(Nearest.aside(for: term, among: known))",
                location: "pattern '\(text)'")
        }
        return found
    }

    /// Splits at colons and commas, but not inside brackets.
    private static func terms(_ text: String) -> [String] {
        var terms: [String] = []
        var term = ""
        var depth = 0
        for character in text {
            if character == "[" { depth += 1 }
            if character == "]" { depth -= 1 }
            if depth <= 0, character == ":" || character == "," {
                terms.append(term)
                term = ""
            } else {
                term.append(character)
            }
        }
        return (terms + [term]).map { String($0.trimmed) }.filter { !$0.isEmpty }
    }

    /// `group[0]`, `group[-1]`, `group[0:2]` (both ends included, as Ansible has it).
    private static func `subscript`(_ term: String) -> (group: String, range: (first: Int, last: Int?))? {
        guard term.hasSuffix("]"), let open = term.lastIndex(of: "[") else { return nil }
        let body = term[term.index(after: open)...].dropLast()
        let parts = body.split(separator: ":", omittingEmptySubsequences: false)
        guard let first = parts[0].isEmpty ? 0 : Int(parts[0]) else { return nil }
        if parts.count == 1 { return (String(term[..<open]), (first, first)) }
        guard parts.count == 2, parts[1].isEmpty || Int(parts[1]) != nil else { return nil }
        return (String(term[..<open]), (first, Int(parts[1])))
    }

    private static func cut(_ names: [String], _ range: (first: Int, last: Int?)) -> [String] {
        let first = range.first < 0 ? names.count + range.first : range.first
        let last = range.last.map { $0 < 0 ? names.count + $0 : $0 } ?? names.count - 1
        return names.enumerated().filter { $0.offset >= first && $0.offset <= last }.map(\.element)
    }
}
