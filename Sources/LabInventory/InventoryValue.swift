/// A variable's value.
public indirect enum InventoryValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case int(Int)
    case double(Double)
    case string(String)
    case list([InventoryValue])
    case map([String: InventoryValue])

    /// The text of a scalar, as Ansible would put it into a command line; nil for null, lists and maps.
    public var text: String? {
        switch self {
        case .null, .list, .map: nil
        case .bool(let value): value ? "true" : "false"
        case .int(let value): String(value)
        case .double(let value): String(value)
        case .string(let value): value
        }
    }

    /// A whole number, also when it was written in quotes.
    public var integer: Int? {
        switch self {
        case .int(let value): value
        case .string(let value): Int(value)
        default: nil
        }
    }

    /// A truth value, also in Ansible's words `yes`, `no`, `on`, `off`, `1` and `0`.
    public var truth: Bool? {
        switch self {
        case .bool(let value): return value
        case .int(1): return true
        case .int(0): return false
        case .string(let value):
            switch value.lowercased() {
            case "yes", "true", "on", "y", "t", "1": return true
            case "no", "false", "off", "n", "f", "0": return false
            default: return nil
            }
        default: return nil
        }
    }

    /// The texts of a list of scalars, or of a comma-separated string.
    var texts: [String]? {
        switch self {
        case .list(let values):
            let texts = values.compactMap(\.text)
            return texts.count == values.count ? texts : nil
        case .string(let value):
            return value.split(separator: ",").map { String($0.trimmed) }
        case .null: return []
        default: return nil
        }
    }
}

/// A value with the line that says it.
struct PlacedValue: Sendable, Hashable {
    var value: InventoryValue
    var place: Place
}

extension StringProtocol {
    /// Without white space at both ends.
    var trimmed: SubSequence {
        guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace })
        else { return self[endIndex...] }
        return self[first...last]
    }
}
