import LabHistory

/// A JSON document to be written, its fields in the order of the source.
indirect enum JSONTree {
    case object([(String, JSONTree)])
    case array([JSONTree])
    case text(String)
    case number(Int64)
    /// Thousandths, written with three decimals, as seconds are.
    case thousandths(Int64)
    case flag(Bool)
    case null

    static func count(_ number: Int) -> JSONTree { .number(Int64(number)) }
    static func maybe(_ text: String?) -> JSONTree { text.map { .text($0) } ?? .null }

    /// The document with two spaces for each level, and a line feed at its end.
    var document: String {
        var out = ""
        write(to: &out, indent: 0)
        return out + "\n"
    }

    private func write(to out: inout String, indent: Int) {
        switch self {
        case .object(let fields):
            Self.list(fields, "{", "}", to: &out, indent) { field, out in
                out += JSONText.quoted(field.0) + ": "
                field.1.write(to: &out, indent: indent + 1)
            }
        case .array(let items):
            Self.list(items, "[", "]", to: &out, indent) { item, out in item.write(to: &out, indent: indent + 1) }
        case .text(let text): out += JSONText.quoted(text)
        case .number(let number): out += String(number)
        case .thousandths(let number): out += Decimal.thousandths(number)
        case .flag(let flag): out += flag ? "true" : "false"
        case .null: out += "null"
        }
    }

    private static func list<Item>(
        _ items: [Item], _ open: String, _ close: String, to out: inout String, _ indent: Int,
        _ write: (Item, inout String) -> Void
    ) {
        guard !items.isEmpty else {
            out += open + close
            return
        }
        out += open
        for (index, item) in items.enumerated() {
            out += (index == 0 ? "\n" : ",\n") + String(repeating: "  ", count: indent + 1)
            write(item, &out)
        }
        out += "\n" + String(repeating: "  ", count: indent) + close
    }
}
