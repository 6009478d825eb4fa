/// File-name patterns: `*`, `?` and `[abc]`, as Ansible and ssh_config use them for names.
enum Wildcard {
    /// Whether the text is a pattern at all.
    static func isPattern(_ text: some StringProtocol) -> Bool { text.contains { "*?[".contains($0) } }

    /// Whether a name matches. Only the last star is ever retried, so the time is at most the product of the lengths.
    static func matches(_ pattern: String, _ name: String) -> Bool {
        let pattern = parse(pattern)
        let name = Array(name)
        var at = 0
        var place = 0
        var star: (pattern: Int, name: Int)?
        while place < name.count {
            if at < pattern.count, case .any = pattern[at] {
                star = (at, place)
                at += 1
            } else if at < pattern.count, pattern[at].matches(name[place]) {
                at += 1
                place += 1
            } else if let last = star {
                star = (last.pattern, last.name + 1)
                at = last.pattern + 1
                place = last.name + 1
            } else {
                return false
            }
        }
        return pattern[at...].allSatisfy { if case .any = $0 { true } else { false } }
    }

    private enum Piece {
        case any
        case one
        case letter(Character)
        case set([ClosedRange<Character>], isNegated: Bool)

        func matches(_ character: Character) -> Bool {
            switch self {
            case .any: false
            case .one: true
            case .letter(let letter): letter == character
            case .set(let ranges, let isNegated): ranges.contains { $0.contains(character) } != isNegated
            }
        }
    }

    private static func parse(_ pattern: String) -> [Piece] {
        var pieces: [Piece] = []
        var rest = pattern[...]
        while let first = rest.first {
            rest = rest.dropFirst()
            switch first {
            case "*": pieces.append(.any)
            case "?": pieces.append(.one)
            case "[":
                guard let close = rest.firstIndex(of: "]"), close > rest.startIndex else {
                    pieces.append(.letter(first))
                    continue
                }
                pieces.append(set(rest[..<close]))
                rest = rest[rest.index(after: close)...]
            default: pieces.append(.letter(first))
            }
        }
        return pieces
    }

    private static func set(_ body: Substring) -> Piece {
        let isNegated = body.hasPrefix("!") || body.hasPrefix("^")
        let letters = Array(isNegated ? body.dropFirst() : body)
        var ranges: [ClosedRange<Character>] = []
        var index = 0
        while index < letters.count {
            if index + 2 < letters.count, letters[index + 1] == "-", letters[index] <= letters[index + 2] {
                ranges.append(letters[index]...letters[index + 2])
                index += 3
            } else {
                ranges.append(letters[index]...letters[index])
                index += 1
            }
        }
        return .set(ranges, isNegated: isNegated)
    }
}
