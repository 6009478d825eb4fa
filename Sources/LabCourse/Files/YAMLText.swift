import LabText

/// A course's YAML file taken apart, whose mistakes are told with the file and the line.
struct YAMLText {
    let file: String
    let root: YAMLNode

    init(file: String, _ text: String) throws(CourseError) {
        self.file = file
        let root: YAMLNode?
        do {
            root = try YAMLParser.parse(text, limits: .small)
        } catch {
            throw Self.translated(error, file)
        }
        guard let root else {
            throw CourseError(.badYAML, file: file, "it is empty; see the other labs for what belongs here")
        }
        guard root.mapping != nil else {
            throw CourseError(.badYAML, file: file, line: 1, "expected 'key: value' lines")
        }
        self.root = root
    }

    /// Decodes the whole file.
    func decode<Value: Decodable>(_ type: Value.Type) throws(CourseError) -> Value {
        try decode(type, from: root)
    }

    /// Decodes a part of the file; the error names the line of the part that could not be taken.
    func decode<Value: Decodable>(_ type: Value.Type, from node: YAMLNode) throws(CourseError) -> Value {
        do {
            return try node.decode(type)
        } catch {
            throw Self.translated(error, file)
        }
    }

    /// Refuses keys that nobody reads, for they are misspelt more often than meant.
    func checkKeys(of node: YAMLNode, among known: [String], _ place: String) throws(CourseError) {
        guard let entries = node.mapping else {
            throw CourseError(.badValue, file: file, line: node.line, "expected 'key: value' lines in \(place)")
        }
        for entry in entries {
            let name = entry.key.text ?? "?"
            guard known.contains(name) else {
                throw CourseError(
                    .unknownKey, file: file, line: entry.key.line,
                    "unknown key '\(Nearest.shown(name))' in \(place); \(Nearest.suggestion(for: name, among: known))")
            }
        }
    }

    private static func translated(_ mistake: YAMLMistake, _ file: String) -> CourseError {
        let kind: CourseError.Code =
            switch mistake.kind {
            case .syntax: .badYAML
            case .missing: .missingKey
            case .value: .badValue
            }
        return CourseError(kind, file: file, line: mistake.line, mistake.text)
    }
}
