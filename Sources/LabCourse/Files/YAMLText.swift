import LabText
import Yams

/// A YAML file taken apart, with the line of everything in it.
///
/// What this course's files never need and a hostile one could use is refused before the parser sees it: anchors and
/// aliases (a few lines of them unfold to gigabytes) and deep nesting.
struct YAMLText {
    /// Brackets, or dashes on one line, nest so deep at most; the labs need four.
    static let maximumNesting = 16

    let file: String
    let root: Node

    init(file: String, _ text: String) throws(CourseError) {
        self.file = file
        try Self.screen(text, file)
        do {
            guard let root = try Yams.compose(yaml: text) else {
                throw CourseError(.badYAML, file: file, "it is empty; see the lab's README for what belongs here")
            }
            self.root = root
        } catch let error as CourseError {
            throw error
        } catch let error as YamlError {
            throw Self.translated(error, file)
        } catch {
            throw CourseError(.badYAML, file: file, "it is not YAML")
        }
        guard root.mapping != nil else {
            throw CourseError(.badYAML, file: file, line: 1, "expected 'key: value' lines")
        }
    }

    /// Decodes the whole file.
    func decode<Value: Decodable>(_ type: Value.Type) throws(CourseError) -> Value {
        try decode(type, from: root)
    }

    /// Decodes a part of the file; the error names the line of the part that could not be taken.
    func decode<Value: Decodable>(_ type: Value.Type, from node: Node) throws(CourseError) -> Value {
        do {
            return try YAMLDecoder().decode(type, from: node)
        } catch let error as DecodingError {
            throw translated(error, from: node)
        } catch let error as YamlError {
            throw Self.translated(error, file)
        } catch {
            throw CourseError(.badValue, file: file, line: node.mark?.line, "\(error)")
        }
    }

    /// Refuses keys that nobody reads, for they are misspelt more often than meant.
    func checkKeys(of node: Node, among known: [String], _ place: String) throws(CourseError) {
        guard let mapping = node.mapping else {
            throw CourseError(.badValue, file: file, line: node.mark?.line, "expected 'key: value' lines in \(place)")
        }
        for (key, _) in mapping {
            let name = key.string ?? "?"
            guard known.contains(name) else {
                throw CourseError(
                    .unknownKey, file: file, line: key.mark?.line,
                    "unknown key '\(Nearest.shown(name))' in \(place); \(Nearest.suggestion(for: name, among: known))")
            }
        }
    }

    private static func screen(_ text: String, _ file: String) throws(CourseError) {
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let indentation = line.prefix { $0 == " " || $0 == "\t" }
            if indentation.contains("\t"), indentation.count < line.count {
                throw CourseError(
                    .badYAML, file: file, line: index + 1,
                    "a tab stands where YAML wants spaces; indent with spaces")
            }
            guard nesting(of: line) <= maximumNesting else {
                throw CourseError(.badYAML, file: file, line: index + 1, "it nests too deep; write it flatter")
            }
            if hasReference(line) {
                throw CourseError(
                    .badYAML, file: file, line: index + 1,
                    "anchors (&) and aliases (*) are not taken here; write the value out, or put it in quotes")
            }
        }
    }

    private static func nesting(of line: Substring) -> Int {
        let brackets = line.count { $0 == "[" || $0 == "{" }
        let dashes = line.prefix { $0 == " " || $0 == "-" || $0 == "?" }.count { $0 != " " }
        return max(brackets, dashes)
    }

    /// Whether a `&name` or `*name` stands outside of quotes and comments.
    private static func hasReference(_ line: Substring) -> Bool {
        var quote: Character?
        var before: Character = " "
        for character in line {
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "#", before == " " {
                return false
            } else if character == "\"" || character == "'", " [{,:-".contains(before) {
                quote = character
            } else if before == "&" || before == "*" {
                if character.isLetter || character.isNumber || character == "_" { return true }
            }
            // Only at the beginning of a token is it a reference; inside a word it is a letter like any other.
            if character == "&" || character == "*" {
                before = " [{,:-".contains(before) ? character : "x"
            } else {
                before = character
            }
        }
        return false
    }

    private static func translated(_ error: YamlError, _ file: String) -> CourseError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            CourseError(.badYAML, file: file, line: mark.line, "\(problem); correct the YAML there")
        case .duplicatedKeysInMapping(let duplicates, let context):
            CourseError(
                .badYAML, file: file, line: context.mark.line,
                "key '\(duplicates.first ?? "?")' is given twice; keep one")
        default: CourseError(.badYAML, file: file, "it is not YAML; correct it")
        }
    }

    private func translated(_ error: DecodingError, from node: Node) -> CourseError {
        switch error {
        case .keyNotFound(let key, let context):
            let line = self.line(of: context.codingPath, from: node)
            return CourseError(.missingKey, file: file, line: line, "'\(key.stringValue)' is missing; add it")
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            let line = self.line(of: context.codingPath, from: node)
            let name = context.codingPath.last.map { "'\($0.stringValue)': " } ?? ""
            return CourseError(.badValue, file: file, line: line, "\(name)\(context.debugDescription)")
        @unknown default: return CourseError(.badValue, file: file, line: node.mark?.line, "it can't be taken")
        }
    }

    private func line(of path: [any CodingKey], from node: Node) -> Int? {
        var node = node
        for key in path {
            if let index = key.intValue, let sequence = node.sequence, sequence.indices.contains(index) {
                node = sequence[index]
            } else if let next = node.mapping?.first(where: { $0.key.string == key.stringValue })?.value {
                node = next
            } else {
                break
            }
        }
        return node.mark?.line
    }
}
