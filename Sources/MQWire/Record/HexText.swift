/// Bytes as upper-case hexadecimal digits and back, as RocketMQ writes its ids.
enum HexText {
    private static let digits = Array("0123456789ABCDEF".utf8)

    /// The digits of numbers of so many bytes each, one behind the other.
    static func encode(_ words: [(value: UInt64, bytes: Int)]) -> String {
        let count = words.reduce(0) { $0 + 2 * $1.bytes }
        return String(unsafeUninitializedCapacity: count) { target in
            var place = 0
            for word in words {
                for shift in stride(from: 8 * word.bytes - 4, through: 0, by: -4) {
                    target[place] = digits[Int(truncatingIfNeeded: word.value >> UInt64(shift)) & 15]
                    place += 1
                }
            }
            return count
        }
    }

    /// The digits of one number, from a place on; gives the place behind them.
    @inline(__always)
    static func write(
        _ value: UInt64, bytes: Int, to target: UnsafeMutableBufferPointer<UInt8>, at place: Int
    ) -> Int {
        var rest = value
        for index in stride(from: place + 2 * bytes - 1, through: place, by: -1) {
            let digit = UInt8(truncatingIfNeeded: rest) & 15
            target[index] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "A") - 10 + digit
            rest >>= 4
        }
        return place + 2 * bytes
    }

    /// `nil` when the count is odd or a character is no digit; both cases are accepted.
    static func decode(_ text: String) -> [UInt8]? {
        let utf8 = Array(text.utf8)
        guard utf8.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(utf8.count / 2)
        for index in stride(from: 0, to: utf8.count, by: 2) {
            guard let high = value(utf8[index]), let low = value(utf8[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}

extension Collection where Element == UInt8 {
    /// The bytes as one unsigned number in network order.
    var bigEndianValue: UInt64 { reduce(0) { $0 << 8 | UInt64($1) } }
}
