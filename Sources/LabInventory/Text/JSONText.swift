/// JSON out of inventory values, with sorted keys and four spaces, as `ansible-inventory --list` prints it.
enum JSONText {
    static func write(_ value: InventoryValue, indent: Int = 0) -> String {
        let inner = String(repeating: " ", count: indent + 4)
        let outer = String(repeating: " ", count: indent)
        switch value {
        case .null: return "null"
        case .bool(let value): return value ? "true" : "false"
        case .int(let value): return String(value)
        case .double(let value): return value.isFinite ? String(value) : "null"
        case .string(let value): return quote(value)
        case .list(let values):
            if values.isEmpty { return "[]" }
            return "[\n" + values.map { inner + write($0, indent: indent + 4) }.joined(separator: ",\n")
                + "\n\(outer)]"
        case .map(let values):
            if values.isEmpty { return "{}" }
            let lines = values.sorted { $0.key < $1.key }.map {
                "\(inner)\(quote($0.key)): \(write($0.value, indent: indent + 4))"
            }
            return "{\n" + lines.joined(separator: ",\n") + "\n\(outer)}"
        }
    }

    static func quote(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
