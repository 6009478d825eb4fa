/// A word, number or text, and whether it stood in quotes.
public struct YAMLScalar: Sendable, Hashable {
    /// A plain scalar's meaning.
    public enum Value: Sendable, Hashable {
        case null
        case bool(Bool)
        case int(Int)
        case double(Double)
        case string
    }

    /// As it reads once quotes, folds and escapes are taken off.
    public var text: String
    /// False for quoted and block text, which is always a string.
    public var isPlain: Bool

    public init(text: String, isPlain: Bool) {
        self.text = text
        self.isPlain = isPlain
    }

    /// What it means by YAML 1.1, the version that Ansible reads: `yes` is true and `0644` is 420.
    ///
    /// Source: https://yaml.org/type/ (null, bool, int, float).
    public var value: Value {
        guard isPlain else { return .string }
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON": return .bool(true)
        case "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF": return .bool(false)
        default: break
        }
        guard let first = text.utf8.first, Self.beginsANumber(first) else { return .string }
        if let int = Self.int(text) { return .int(int) }
        return Self.double(text).map { .double($0) } ?? .string
    }

    private static func beginsANumber(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: "+") || byte == UInt8(ascii: ".")
    }

    private static func int(_ text: String) -> Int? {
        let isSigned = text.first == "-" || text.first == "+"
        let unsigned = text.dropFirst(isSigned ? 1 : 0)
        guard unsigned.first?.isNumber == true else { return nil }
        let digits = unsigned.filter { $0 != "_" }
        let number = text.first == "-" ? "-" : ""
        if digits.hasPrefix("0b") { return plainInt(number, digits.dropFirst(2), radix: 2) }
        if digits.hasPrefix("0o") { return plainInt(number, digits.dropFirst(2), radix: 8) }
        if digits.hasPrefix("0x") { return plainInt(number, digits.dropFirst(2), radix: 16) }
        if digits.hasPrefix("0"), digits.count > 1 { return plainInt(number, digits.dropFirst(), radix: 8) }
        if digits.contains(":") { return sexagesimal(digits).map { number.isEmpty ? $0 : -$0 } }
        return plainInt(number, digits[...], radix: 10)
    }

    /// `Int(_:radix:)` would take a second sign.
    private static func plainInt(_ sign: String, _ digits: Substring, radix: Int) -> Int? {
        guard digits.first.map({ $0.isHexDigit }) == true else { return nil }
        return Int(sign + digits, radix: radix)
    }

    /// `1:30` is 90: the form that surprises people with times and ports, and that Ansible's reader takes.
    private static func sexagesimal(_ digits: String) -> Int? {
        let parts = digits.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.first?.first != "0" else { return nil }
        var sum = 0
        for (index, part) in parts.enumerated() {
            guard let value = plainInt("", part, radix: 10), index == 0 || (part.count <= 2 && value < 60) else {
                return nil
            }
            let (product, overflow) = sum.multipliedReportingOverflow(by: 60)
            let (next, more) = product.addingReportingOverflow(value)
            guard !overflow, !more else { return nil }
            sum = next
        }
        return sum
    }

    /// A number with a point; `1e3` without one is text, as it is for Ansible.
    private static func double(_ text: String) -> Double? {
        switch text.lowercased() {
        case ".inf", "+.inf": return .infinity
        case "-.inf": return -.infinity
        case ".nan": return .nan
        default: break
        }
        let digits = text.filter { $0 != "_" }
        guard digits.contains("."), digits.allSatisfy({ $0.isNumber || "+-.eE".contains($0) }) else { return nil }
        return Double(digits) ?? (digits.last == "." ? Double(digits + "0") : nil)
    }
}
