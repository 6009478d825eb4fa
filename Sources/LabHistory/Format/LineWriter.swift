/// Writes one line of a history.
enum LineWriter {
    /// A field's value; `maybe(nil)`, `maybeNumber(nil)`, `maybeFlag(nil)` and `ifTrue(false)` leave the field out.
    enum Cell {
        case text(String)
        case maybe(String?)
        case number(Int64)
        case hash(UInt64)
        case flag(Bool)
        case maybeNumber(Int64?)
        case ifTrue(Bool)
        case maybeFlag(Bool?)

        static func count(_ value: Int) -> Cell { .number(Int64(value)) }
        static func maybeCount(_ value: Int?) -> Cell { .maybeNumber(value.map { Int64($0) }) }
    }

    static func line(at nanoseconds: Int64, _ event: String, _ cells: KeyValuePairs<String, Cell>) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(256)
        out.append(contentsOf: "{\"t\":".utf8)
        out.append(contentsOf: String(nanoseconds).utf8)
        key("e", &out)
        JSONText.append(event, to: &out)
        for (name, cell) in cells { append(name, cell, &out) }
        out.append(contentsOf: "}\n".utf8)
        return out
    }

    private static func append(_ name: String, _ cell: Cell, _ out: inout [UInt8]) {
        switch cell {
        case .maybe(nil), .maybeNumber(nil), .ifTrue(false), .maybeFlag(nil): return
        case .text(let text), .maybe(.some(let text)):
            key(name, &out)
            JSONText.append(text, to: &out)
        case .number(let number), .maybeNumber(.some(let number)):
            key(name, &out)
            out.append(contentsOf: String(number).utf8)
        case .hash(let hash):
            key(name, &out)
            out.append(JSONText.quote)
            JSONText.appendHex(hash, to: &out)
            out.append(JSONText.quote)
        case .flag(let flag), .ifTrue(let flag), .maybeFlag(.some(let flag)):
            key(name, &out)
            out.append(contentsOf: (flag ? "true" : "false").utf8)
        }
    }

    private static func key(_ name: String, _ out: inout [UInt8]) {
        out.append(contentsOf: ",\"".utf8)
        out.append(contentsOf: name.utf8)
        out.append(contentsOf: "\":".utf8)
    }
}
