/// A cursor over JSON text as fastjson and its peers write it.
///
/// Lenient where they are: unquoted keys (`{0:"…"}`), objects as keys (`{{"queueId":1}:5}`), scalars of any type
/// where a string is wanted. Strings are copied out, nothing refers to the text afterwards. The header parser is on
/// the hot path, so this works on raw bytes; a value's bytes are looked at once.
struct JSONReader {
    /// How deep values may nest: a fixed bound, since parsing recurses.
    static let depthLimit = 64
    /// Room for most texts with escapes: a message's properties.
    private static let usualTextBytes = 256

    let bytes: UnsafeRawBufferPointer
    var position = 0
    /// Whether what is read belongs to a key that is an object.
    var isInKey = false

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    @inline(never)
    func failure(_ expected: String) -> JSONError { JSONError(offsetBytes: position, expected: expected) }

    /// The next byte that is not white space, not consumed; `nil` at the end.
    mutating func peek() -> UInt8? {
        while position < bytes.count {
            let byte = bytes[position]
            if byte != 0x20 && byte != 0x0A && byte != 0x0D && byte != 0x09 { return byte }
            position += 1
        }
        return nil
    }

    /// Consumes `byte` if it comes next.
    mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        position += 1
        return true
    }

    mutating func expect(_ byte: UInt8) throws(JSONError) {
        guard take(byte) else { throw failure("'\(Character(UnicodeScalar(byte)))'") }
    }

    /// A quoted string.
    mutating func string() throws(JSONError) -> String {
        try expect(UInt8(ascii: "\""))
        let start = position
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                let text = String(decoding: UnsafeRawBufferPointer(rebasing: bytes[start..<position]), as: UTF8.self)
                position += 1
                return text
            }
            if byte == UInt8(ascii: "\\") { return try escapedString(from: start) }
            position += 1
        }
        throw failure("the closing '\"'")
    }

    /// The places of a quoted string's bytes, if it comes next and has no escape; else nothing is consumed.
    mutating func plainString() -> Range<Int>? {
        guard peek() == UInt8(ascii: "\"") else { return nil }
        let start = position + 1
        var end = start
        while end < bytes.count {
            let byte = bytes[end]
            if byte == UInt8(ascii: "\"") {
                position = end + 1
                return start..<end
            }
            if byte == UInt8(ascii: "\\") { return nil }
            end += 1
        }
        return nil
    }

    /// The rest of a string from its first backslash on; the plain beginning is copied as it is.
    private mutating func escapedString(from start: Int) throws(JSONError) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(min(bytes.count - start, Self.usualTextBytes))
        text.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[start..<position]))
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
            guard byte == UInt8(ascii: "\\") else {
                text.append(byte)
                continue
            }
            guard position < bytes.count else { break }
            let kind = bytes[position]
            position += 1
            switch kind {
            case UInt8(ascii: "n"): text.append(0x0A)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "r"): text.append(0x0D)
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0C)
            case UInt8(ascii: "v"): text.append(0x0B)
            case UInt8(ascii: "u"):
                if let ascii = controlCharacter() {
                    text.append(ascii)
                } else {
                    text.append(contentsOf: String(try escapedScalar()).utf8)
                }
            case UInt8(ascii: "x"): text.append(contentsOf: String(UnicodeScalar(UInt8(try hex(2)))).utf8)
            default: text.append(kind)
            }
        }
        throw failure("the closing '\"'")
    }

    /// The character of `\u00..` below 0x20, as stand between a message's properties; else nothing is consumed.
    private mutating func controlCharacter() -> UInt8? {
        guard position + 4 <= bytes.count, bytes[position] == UInt8(ascii: "0"),
            bytes[position + 1] == UInt8(ascii: "0"), bytes[position + 2] & 0xFE == UInt8(ascii: "0"),
            let low = Self.hexDigit(bytes[position + 3])
        else { return nil }
        let high = bytes[position + 2] - UInt8(ascii: "0")
        position += 4
        return high << 4 | UInt8(low)
    }

    /// What follows `\u`; a surrogate pair is joined, a lone half becomes U+FFFD.
    private mutating func escapedScalar() throws(JSONError) -> Character {
        let replacement: Character = "\u{FFFD}"
        let high = try hex(4)
        guard (0xD800..<0xE000).contains(high) else {
            return UnicodeScalar(high).map { Character($0) } ?? replacement
        }
        guard high < 0xDC00, position + 6 <= bytes.count, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u")
        else { return replacement }
        let rewind = position
        position += 2
        let low = try hex(4)
        guard (0xDC00..<0xE000).contains(low) else {
            position = rewind
            return replacement
        }
        return UnicodeScalar(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)).map { Character($0) } ?? replacement
    }

    private mutating func hex(_ digits: Int) throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<digits {
            guard position < bytes.count, let digit = Self.hexDigit(bytes[position]) else {
                throw failure("\(digits) hexadecimal digits")
            }
            value = value << 4 | digit
            position += 1
        }
        return value
    }

    private static func hexDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte - 0x30)
        case 0x41...0x46: UInt32(byte - 0x41 + 10)
        case 0x61...0x66: UInt32(byte - 0x61 + 10)
        default: nil
        }
    }

    /// An unquoted token: number, `true`, `null`, or a bare key.
    mutating func bareToken() throws(JSONError) -> String {
        guard peek() != nil else { throw failure("a value") }
        let start = position
        scan: while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "}"), UInt8(ascii: "]"), 0x20, 0x0A, 0x0D, 0x09,
                UInt8(ascii: "\""), UInt8(ascii: "{"), UInt8(ascii: "["):
                break scan
            default: position += 1
            }
        }
        guard position > start else { throw failure("a value") }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    /// An integer, also when quoted: some clients quote every number.
    mutating func integer() throws(JSONError) -> Int64 {
        guard let first = peek() else { throw failure("an integer") }
        if first == UInt8(ascii: "\"") {
            let start = position
            let text = try string()
            guard let value = Int64(text) else { throw JSONError(offsetBytes: start, expected: "an integer") }
            return value
        }
        let negative = take(UInt8(ascii: "-"))
        let start = position
        var value: Int64 = 0
        while position < bytes.count, case 0x30...0x39 = bytes[position] {
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(Int64(bytes[position] - 0x30))
            guard !overflow, !carry else { throw failure("an integer of 64 bits") }
            value = sum
            position += 1
        }
        guard position > start else { throw failure("an integer") }
        return negative ? -value : value
    }
}
