import Yams

/// Turns what a YAML decoder throws into one line for a person.
public enum YAMLMistake {
    /// `line: what was expected`, without the decoder's internals.
    public static func describe(_ error: any Error) -> String {
        switch error {
        case let error as YamlError:
            return describe(error)
        case DecodingError.keyNotFound(let key, let context):
            return "\(place(context))'\(key.stringValue)' is missing"
        case DecodingError.typeMismatch(let type, let context):
            return "\(place(context))expected \(name(of: type))"
        case DecodingError.valueNotFound(let type, let context):
            return "\(place(context))is empty; expected \(name(of: type))"
        case DecodingError.dataCorrupted(let context):
            if let inner = context.underlyingError as? YamlError { return describe(inner) }
            return "\(place(context))\(context.debugDescription)"
        default:
            return "\(error)"
        }
    }

    private static func describe(_ error: YamlError) -> String {
        switch error {
        case .scanner(_, let problem, let mark, let yaml), .parser(_, let problem, let mark, let yaml),
            .composer(_, let problem, let mark, let yaml):
            let lines = yaml.split(separator: "\n", omittingEmptySubsequences: false)
            let line = lines.indices.contains(mark.line - 1) ? lines[mark.line - 1] : ""
            if line.contains("\t") {
                return "line \(mark.line): a tab in the indentation; YAML takes spaces only"
            }
            return "line \(mark.line): \(problem)"
        case .duplicatedKeysInMapping(let duplicates, _):
            return "the key \(duplicates.joined(separator: ", ")) stands twice"
        default:
            return "not readable as YAML"
        }
    }

    private static func place(_ context: DecodingError.Context) -> String {
        guard !context.codingPath.isEmpty else { return "" }
        var text = ""
        for key in context.codingPath {
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += (text.isEmpty ? "" : ".") + key.stringValue
            }
        }
        return text + ": "
    }

    private static func name(of type: any Any.Type) -> String {
        switch type {
        case is Int.Type, is Int64.Type, is UInt64.Type: "a whole number"
        case is Double.Type: "a number"
        case is String.Type: "text"
        case is Bool.Type: "true or false"
        case is [String: String].Type: "a mapping of names to values"
        default: "\(type)".hasPrefix("Array") ? "a list" : "a \(type)"
        }
    }
}
