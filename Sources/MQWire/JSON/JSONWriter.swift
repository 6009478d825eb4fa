import NIOCore

/// Writes JSON text into memory that was reserved for it: one reservation for a whole header instead of one for each
/// piece, since every message passes here.
struct JSONWriter {
    /// The most bytes that an integer's text takes.
    static let integerBytes = 20

    private let bytes: UnsafeMutableRawBufferPointer
    /// How much is written.
    private(set) var count = 0

    /// Writes from the beginning of `bytes`; writing behind their end is the caller's mistake, and traps.
    init(_ bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }

    /// The most bytes that a string's text takes: quotes, and each byte as `\u00xx`; of a long one only those bytes
    /// that need it.
    static func longest(_ text: String) -> Int {
        let count = text.utf8.count
        guard count > shortBytes else { return 2 + 6 * count }
        return 2 + count + 5 * text.utf8.count(where: isEscaped)
    }

    /// Up to here looking at each byte costs more than the room for the worst of them.
    private static let shortBytes = 64

    private static func isEscaped(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    mutating func byte(_ byte: UInt8) {
        bytes[count] = byte
        count += 1
    }

    mutating func literal(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func integer(_ value: some FixedWidthInteger) {
        if value < 0 { byte(UInt8(ascii: "-")) }
        var rest = UInt64(value.magnitude)
        var digits = 1
        var bound: UInt64 = 10
        while rest >= bound, digits < Self.integerBytes {
            digits += 1
            let (next, overflow) = bound.multipliedReportingOverflow(by: 10)
            if overflow { break }
            bound = next
        }
        for place in stride(from: count + digits - 1, through: count, by: -1) {
            bytes[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        count += digits
    }

    /// A quoted string: runs without escapes are copied whole.
    mutating func string(_ text: String) {
        byte(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { utf8 in
            let source = UnsafeRawBufferPointer(utf8)
            var start = 0
            for index in source.indices {
                let byte = source[index]
                guard Self.isEscaped(byte) else { continue }
                append(UnsafeRawBufferPointer(rebasing: source[start..<index]))
                start = index + 1
                escape(byte)
            }
            append(UnsafeRawBufferPointer(rebasing: source[start...]))
        }
        byte(UInt8(ascii: "\""))
    }

    private mutating func append(_ source: UnsafeRawBufferPointer) {
        guard !source.isEmpty else { return }
        UnsafeMutableRawBufferPointer(rebasing: bytes[count..<(count + source.count)]).copyMemory(from: source)
        count += source.count
    }

    private mutating func escape(_ character: UInt8) {
        switch character {
        case UInt8(ascii: "\""): literal("\\\"")
        case UInt8(ascii: "\\"): literal("\\\\")
        case 0x0A: literal("\\n")
        case 0x0D: literal("\\r")
        case 0x09: literal("\\t")
        default:
            let digits: StaticString = "0123456789abcdef"
            literal("\\u00")
            byte(digits.utf8Start[Int(character >> 4)])
            byte(digits.utf8Start[Int(character & 15)])
        }
    }
}

extension ByteBuffer {
    /// Appends what `body` writes, `longest` bytes at most.
    mutating func writeJSON(longest: Int, _ body: (inout JSONWriter) -> Void) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: longest) { bytes in
            var writer = JSONWriter(bytes)
            body(&writer)
            return writer.count
        }
    }

    /// Appends `text` as a quoted JSON string.
    mutating func writeJSONString(_ text: String) {
        writeJSON(longest: JSONWriter.longest(text)) { $0.string(text) }
    }
}
