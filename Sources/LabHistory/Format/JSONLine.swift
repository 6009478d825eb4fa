/// One JSON object taken apart into its fields, as far as a history's line needs it.
///
/// Strings stay byte ranges of the line until they are asked for, so that a field nobody needs costs nothing.
/// Nested objects, arrays, fractions and exponents are skipped over, for no field of a history uses them and an
/// unknown field may.
struct JSONLine {
    /// Unknown fields may nest this deep; deeper is refused, so that no line can exhaust the stack.
    static let maximumDepth = 16

    enum Value: Equatable {
        case string(Range<Int>, escaped: Bool)
        case integer(Int64)
        case bool(Bool)
        case null
        /// An object, an array, or a number that is no 64-bit integer.
        case other
    }

    struct Malformed: Error, Equatable {
        var column: Int
    }

    let bytes: [UInt8]
    private(set) var fields: [(key: Range<Int>, value: Value)] = []
    private var cursor: Int
    private let end: Int

    init(_ bytes: [UInt8]) throws(Malformed) {
        self.bytes = bytes
        cursor = 0
        end = bytes.count
        fields.reserveCapacity(12)
        try readObject { (line, key) throws(Malformed) in
            let value = try line.readValue(depth: 1)
            line.fields.append((key, value))
        }
        skipSpace()
        guard cursor == end else { throw Malformed(column: cursor) }
    }

    /// The first field of this name; nil when there is none.
    subscript(name: String) -> Value? {
        let wanted = name.utf8
        for field in fields where field.key.count == wanted.count {
            if bytes[field.key].elementsEqual(wanted) { return field.value }
        }
        return nil
    }

    /// The characters that a string value stands for.
    func text(_ range: Range<Int>, escaped: Bool) -> String {
        guard escaped else { return String(decoding: bytes[range], as: UTF8.self) }
        var out: [UInt16] = []
        var plain: [UInt8] = []
        func flush() {
            out.append(contentsOf: String(decoding: plain, as: UTF8.self).utf16)
            plain.removeAll()
        }
        var index = range.lowerBound
        while index < range.upperBound {
            guard bytes[index] == JSONText.backslash else {
                plain.append(bytes[index])
                index += 1
                continue
            }
            let kind = bytes[index + 1]
            index += 2
            switch kind {
            case UInt8(ascii: "n"): plain.append(0x0a)
            case UInt8(ascii: "r"): plain.append(0x0d)
            case UInt8(ascii: "t"): plain.append(0x09)
            case UInt8(ascii: "b"): plain.append(0x08)
            case UInt8(ascii: "f"): plain.append(0x0c)
            case UInt8(ascii: "u"):
                flush()
                out.append(bytes[index..<index + 4].reduce(0) { $0 << 4 | UInt16(Self.hexValue($1) ?? 0) })
                index += 4
            default: plain.append(kind)
            }
        }
        flush()
        return String(decoding: out, as: UTF16.self)
    }

    static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    private mutating func readObject(
        _ field: (inout JSONLine, Range<Int>) throws(Malformed) -> Void
    ) throws(Malformed) {
        try expect("{")
        skipSpace()
        if take("}") { return }
        while true {
            skipSpace()
            let (key, _) = try readString()
            skipSpace()
            try expect(":")
            skipSpace()
            try field(&self, key)
            skipSpace()
            if take("}") { return }
            try expect(",")
        }
    }

    private mutating func readValue(depth: Int) throws(Malformed) -> Value {
        guard cursor < end, depth <= Self.maximumDepth else { throw Malformed(column: cursor) }
        switch bytes[cursor] {
        case JSONText.quote:
            let (range, escaped) = try readString()
            return .string(range, escaped: escaped)
        case UInt8(ascii: "{"):
            try readObject { (line, _) throws(Malformed) in _ = try line.readValue(depth: depth + 1) }
            return .other
        case UInt8(ascii: "["):
            try readArray(depth: depth)
            return .other
        case UInt8(ascii: "t"):
            try expect("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try expect("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try expect("null")
            return .null
        default: return try readNumber()
        }
    }

    private mutating func readArray(depth: Int) throws(Malformed) {
        try expect("[")
        skipSpace()
        if take("]") { return }
        while true {
            skipSpace()
            _ = try readValue(depth: depth + 1)
            skipSpace()
            if take("]") { return }
            try expect(",")
        }
    }

    private mutating func readString() throws(Malformed) -> (Range<Int>, escaped: Bool) {
        try expect("\"")
        let start = cursor
        var escaped = false
        while cursor < end {
            switch bytes[cursor] {
            case JSONText.quote:
                cursor += 1
                return (start..<cursor - 1, escaped)
            case JSONText.backslash:
                escaped = true
                try readEscape()
            case 0..<0x20: throw Malformed(column: cursor)
            default: cursor += 1
            }
        }
        throw Malformed(column: cursor)
    }

    private mutating func readEscape() throws(Malformed) {
        guard cursor + 1 < end else { throw Malformed(column: cursor) }
        switch bytes[cursor + 1] {
        case UInt8(ascii: "u"):
            guard cursor + 6 <= end, bytes[cursor + 2..<cursor + 6].allSatisfy({ Self.hexValue($0) != nil }) else {
                throw Malformed(column: cursor)
            }
            cursor += 6
        case JSONText.quote, JSONText.backslash, UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            cursor += 2
        default: throw Malformed(column: cursor)
        }
    }

    private mutating func readNumber() throws(Malformed) -> Value {
        let start = cursor
        let negative = take("-")
        var number: Int64? = 0
        var digits = 0
        while cursor < end, case let digit = bytes[cursor] &- UInt8(ascii: "0"), digit < 10 {
            let step = number?.multipliedReportingOverflow(by: 10)
            let sum = step?.partialValue.subtractingReportingOverflow(Int64(digit))
            number = step?.overflow == false && sum?.overflow == false ? sum?.partialValue : nil
            cursor += 1
            digits += 1
        }
        guard digits > 0 else { throw Malformed(column: start) }
        var isWhole = true
        while cursor < end, Self.continuesNumber(bytes[cursor]) {
            isWhole = false
            cursor += 1
        }
        // Collected as a negative number, for the most negative one has no positive twin.
        guard isWhole, let number, negative || number != .min else { return .other }
        return .integer(negative ? number : -number)
    }

    private static func continuesNumber(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: "+"), UInt8(ascii: "-"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    private mutating func skipSpace() {
        while cursor < end, [0x20, 0x09, 0x0d].contains(bytes[cursor]) { cursor += 1 }
    }

    private mutating func take(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard cursor + count <= end else { return false }
        for index in 0..<count where bytes[cursor + index] != text.utf8Start[index] { return false }
        cursor += count
        return true
    }

    private mutating func expect(_ text: StaticString) throws(Malformed) {
        guard take(text) else { throw Malformed(column: cursor) }
    }
}
