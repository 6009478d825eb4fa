/// Why an expression is none, and where.
struct SQLFilterError: Error, Equatable, CustomStringConvertible {
    /// The character, counted from 1.
    var position: Int
    var reason: String

    var description: String { "at character \(position): \(reason)" }
}

/// A piece of an expression. Source of the grammar: RocketMQ 4.9's `SelectorParser.jj`.
enum SQLToken: Equatable, Sendable {
    case word(String)
    case string(String)
    case integer(Int64)
    case decimal(Double)
    /// `=`, `<>`, `<`, `<=`, `>`, `>=`, `(`, `)`, `,`, `+`, `-`.
    case symbol(String)
    case end

    var text: String {
        switch self {
        case .word(let word): word
        case .string(let string): "'\(string)'"
        case .integer(let number): "\(number)"
        case .decimal(let number): "\(number)"
        case .symbol(let symbol): symbol
        case .end: "the end"
        }
    }
}

/// Cuts an expression into tokens; blanks and comments (`-- …`, `/* … */`) are passed over.
struct SQLLexer {
    private let characters: [UInt8]
    private var index = 0

    init(_ text: String) { characters = Array(text.utf8) }

    private var current: UInt8? { index < characters.count ? characters[index] : nil }
    private var next: UInt8? { index + 1 < characters.count ? characters[index + 1] : nil }

    /// The next token, and where it begins, counted from 1.
    mutating func token() throws(SQLFilterError) -> (token: SQLToken, position: Int) {
        try skipBlanks()
        let start = index
        guard let character = current else { return (.end, start + 1) }
        switch character {
        case UInt8(ascii: "'"): return (.string(try string()), start + 1)
        case UInt8(ascii: "0")...UInt8(ascii: "9"): return (try number(), start + 1)
        case UInt8(ascii: ".") where Self.isDigit(next): return (try number(), start + 1)
        case let letter where Self.beginsWord(letter):
            while let letter = current, Self.beginsWord(letter) || Self.isDigit(letter) { index += 1 }
            return (.word(String(decoding: characters[start..<index], as: UTF8.self)), start + 1)
        default: return (try symbol(), start + 1)
        }
    }

    private mutating func skipBlanks() throws(SQLFilterError) {
        while let character = current {
            if character == UInt8(ascii: "-"), next == UInt8(ascii: "-") {
                while let inside = current, inside != 10, inside != 13 { index += 1 }
            } else if character == UInt8(ascii: "/"), next == UInt8(ascii: "*") {
                let start = index
                index += 2
                while current != nil, current != UInt8(ascii: "*") || next != UInt8(ascii: "/") { index += 1 }
                guard current != nil else {
                    throw SQLFilterError(position: start + 1, reason: "the comment does not end (expected */)")
                }
                index += 2
            } else if [9, 10, 12, 13, 32].contains(character) {
                index += 1
            } else {
                return
            }
        }
    }

    /// `''` inside is one quote.
    private mutating func string() throws(SQLFilterError) -> String {
        let start = index
        index += 1
        var bytes: [UInt8] = []
        while let character = current {
            index += 1
            guard character == UInt8(ascii: "'") else {
                bytes.append(character)
                continue
            }
            guard current == character else { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(character)
            index += 1
        }
        throw SQLFilterError(position: start + 1, reason: "the string does not end (expected ')")
    }

    /// `0`, `17`, `17L`, `5.`, `5.5`, `.5`, `5E10`, `5.5e-3`.
    private mutating func number() throws(SQLFilterError) -> SQLToken {
        let start = index
        while Self.isDigit(current) { index += 1 }
        var isInteger = true
        if current == UInt8(ascii: ".") {
            isInteger = false
            index += 1
            while Self.isDigit(current) { index += 1 }
        }
        if let letter = current, letter | 0x20 == UInt8(ascii: "e"), exponentFollows {
            isInteger = false
            index += 2
            while Self.isDigit(current) { index += 1 }
        }
        let text = String(decoding: characters[start..<index], as: UTF8.self)
        guard isInteger else { return .decimal(try Self.decimal(text, at: start + 1)) }
        // A decimal number does not begin with 0, and no other kind of number does.
        guard text == "0" || !text.hasPrefix("0"), let number = Int64(text) else {
            throw SQLFilterError(position: start + 1, reason: "\(text) is no number from 0 to \(Int64.max)")
        }
        if let letter = current, letter | 0x20 == UInt8(ascii: "l") { index += 1 }
        return .integer(number)
    }

    private var exponentFollows: Bool {
        if Self.isDigit(next) { return true }
        let isSign = next == UInt8(ascii: "+") || next == UInt8(ascii: "-")
        return isSign && index + 2 < characters.count && Self.isDigit(characters[index + 2])
    }

    private static func decimal(_ text: String, at position: Int) throws(SQLFilterError) -> Double {
        let whole = text.hasSuffix(".") ? text + "0" : text.hasPrefix(".") ? "0" + text : text
        // `5.E10` as well.
        guard let number = Double(whole) ?? Double(whole.split(separator: ".").joined(separator: ".0")), number.isFinite
        else { throw SQLFilterError(position: position, reason: "\(text) is no number") }
        return number
    }

    private mutating func symbol() throws(SQLFilterError) -> SQLToken {
        for symbol in ["<>", "<=", ">=", "=", "<", ">", "(", ")", ",", "+", "-"]
        where characters[index...].starts(with: symbol.utf8) {
            index += symbol.utf8.count
            return .symbol(symbol)
        }
        let rest = String(decoding: characters[index...].prefix(8), as: UTF8.self)
        throw SQLFilterError(position: index + 1, reason: "'\(rest.prefix(1))' belongs to no expression")
    }

    private static func isDigit(_ character: UInt8?) -> Bool {
        character.map { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? false
    }

    private static func beginsWord(_ character: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(character | 0x20) && character < 0x80
            || character == UInt8(ascii: "_") || character == UInt8(ascii: "$")
    }
}
