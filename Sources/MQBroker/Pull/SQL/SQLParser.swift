/// Reads an expression, by recursive descent: or ← and ← equality ← comparison ← unary ← primary.
///
/// What RocketMQ refuses is refused, with the place; text behind the expression too, which RocketMQ passes over.
struct SQLParser {
    /// How deep an expression may be nested.
    static let depthLimit = 128
    /// How many values `IN` may list.
    static let valueLimit = 1024

    private var lexer: SQLLexer
    private var token = SQLToken.end
    private var position = 1
    private var depth = 0

    init(_ text: String) throws(SQLFilterError) {
        lexer = SQLLexer(text)
        try advance()
    }

    /// The whole text's expression, which is true or false.
    mutating func parse() throws(SQLFilterError) -> SQLExpression {
        let start = position
        let expression = try either()
        guard token == .end else { throw failure("expected AND, OR or the end, not '\(token.text)'") }
        return try Self.truth(expression, at: start)
    }

    // MARK: Levels

    private mutating func either() throws(SQLFilterError) -> SQLExpression {
        try deeper()
        defer { depth -= 1 }
        let start = position
        let first = try both()
        guard isWord("OR") else { return first }
        var parts = [try Self.truth(first, at: start)]
        while try take(word: "OR") {
            let next = position
            parts.append(try Self.truth(try both(), at: next))
        }
        return .any(parts)
    }

    private mutating func both() throws(SQLFilterError) -> SQLExpression {
        let start = position
        let first = try equality()
        guard isWord("AND") else { return first }
        var parts = [try Self.truth(first, at: start)]
        while try take(word: "AND") {
            let next = position
            parts.append(try Self.truth(try equality(), at: next))
        }
        return .all(parts)
    }

    private mutating func equality() throws(SQLFilterError) -> SQLExpression {
        let (start, before) = (position, depth)
        defer { depth = before }
        var left = try comparison()
        while true {
            // Each link of a chain like `a = b = c` is a level of the tree.
            try deeper()
            if try take(symbol: "=") {
                left = try equal(left, start)
            } else if try take(symbol: "<>") {
                left = .not(try equal(left, start))
            } else if try take(word: "IS") {
                let isNegated = try take(word: "NOT")
                guard try take(word: "NULL") else { throw failure("expected NULL behind IS, not '\(token.text)'") }
                let isNull = SQLExpression.equal(left, .constant(.null))
                left = isNegated ? .not(isNull) : isNull
            } else {
                return left
            }
        }
    }

    private mutating func equal(_ left: SQLExpression, _ start: Int) throws(SQLFilterError) -> SQLExpression {
        let next = position
        let right = try comparison()
        for (side, place) in [(left, start), (right, next)] {
            if case .constant(.null) = side {
                throw SQLFilterError(position: place, reason: "NULL cannot be compared (use IS NULL)")
            }
        }
        if case .constant(.bool) = left, case .constant(let value) = right {
            guard case .bool = value else {
                throw SQLFilterError(position: next, reason: "a truth cannot be compared with this")
            }
        }
        return .equal(left, right)
    }

    private mutating func comparison() throws(SQLFilterError) -> SQLExpression {
        let (start, before) = (position, depth)
        defer { depth = before }
        var left = try unary()
        while true {
            try deeper()
            if case .symbol(let symbol) = token, let order = SQLExpression.Order(rawValue: symbol) {
                try advance()
                let next = position
                let right = try unary()
                try Self.checkOrder(left, at: start)
                try Self.checkOrder(right, at: next)
                left = .ordered(left, order, right)
            } else if isWord("NOT") {
                try advance()
                guard isWord("BETWEEN") || isWord("IN") else {
                    throw failure("expected BETWEEN or IN behind NOT, not '\(token.text)'")
                }
                left = try range(left, start, isNegated: true)
            } else if isWord("BETWEEN") || isWord("IN") {
                left = try range(left, start, isNegated: false)
            } else {
                return left
            }
        }
    }

    /// `BETWEEN low AND high`, or `IN ('a', 'b')`.
    private mutating func range(
        _ value: SQLExpression, _ start: Int, isNegated: Bool
    ) throws(SQLFilterError) -> SQLExpression {
        if try take(word: "IN") {
            guard case .property(let name) = value else {
                throw SQLFilterError(position: start, reason: "only a property can be IN a list")
            }
            return .oneOf(property: name, values: try list(), isNegated: isNegated)
        }
        try advance()
        let lowPlace = position
        let low = try unary()
        guard try take(word: "AND") else { throw failure("expected AND between both ends, not '\(token.text)'") }
        let highPlace = position
        let high = try unary()
        try Self.checkOrder(value, at: start)
        try Self.checkOrder(low, at: lowPlace)
        try Self.checkOrder(high, at: highPlace)
        guard !isNegated else { return .any([.ordered(value, .less, low), .ordered(value, .greater, high)]) }
        if let first = Self.number(low), let last = Self.number(high), last < first {
            throw SQLFilterError(
                position: lowPlace, reason: "the left end of BETWEEN must be less than or equal to the right one")
        }
        return .all([.ordered(value, .greaterOrEqual, low), .ordered(value, .lessOrEqual, high)])
    }

    private mutating func list() throws(SQLFilterError) -> Set<String> {
        guard try take(symbol: "(") else { throw failure("expected ( behind IN, not '\(token.text)'") }
        var values: Set<String> = []
        repeat {
            guard case .string(let value) = token else { throw failure("expected 'text', not '\(token.text)'") }
            guard values.count < Self.valueLimit else { throw failure("more than \(Self.valueLimit) values") }
            values.insert(value)
            try advance()
        } while try take(symbol: ",")
        guard try take(symbol: ")") else { throw failure("expected , or ) in the list, not '\(token.text)'") }
        return values
    }

    private mutating func unary() throws(SQLFilterError) -> SQLExpression {
        try deeper()
        defer { depth -= 1 }
        if try take(symbol: "+") { return try unary() }
        if try take(symbol: "-") { return .negated(try unary()) }
        if try take(word: "NOT") {
            let start = position
            return .not(try Self.truth(try unary(), at: start))
        }
        return try primary()
    }

    private mutating func primary() throws(SQLFilterError) -> SQLExpression {
        let found = token
        switch found {
        case .string(let text):
            try advance()
            return .constant(.string(text))
        case .integer(let number):
            try advance()
            return .constant(.integer(number, isLong: Int32(exactly: number) == nil))
        case .decimal(let number):
            try advance()
            return .constant(.decimal(number))
        case .word(let word):
            try advance()
            switch word.uppercased() {
            case "TRUE": return .constant(.bool(true))
            case "FALSE": return .constant(.bool(false))
            case "NULL": return .constant(.null)
            case "AND", "OR", "BETWEEN", "IN", "IS":
                throw SQLFilterError(position: position, reason: "\(word) stands where a value should")
            default: return .property(word)
            }
        case .symbol("("):
            try advance()
            let inner = try either()
            guard try take(symbol: ")") else { throw failure("expected ), not '\(token.text)'") }
            return inner
        case .symbol, .end: throw failure("expected a property or a value, not '\(found.text)'")
        }
    }

    // MARK: Rules

    /// Takes an expression for a truth.
    private static func truth(_ expression: SQLExpression, at position: Int) throws(SQLFilterError) -> SQLExpression {
        if expression.isBoolean { return expression }
        guard case .property = expression else {
            throw SQLFilterError(position: position, reason: "this is neither true nor false")
        }
        return .truth(of: expression)
    }

    /// Only numbers and properties have an order.
    private static func checkOrder(_ side: SQLExpression, at position: Int) throws(SQLFilterError) {
        switch side {
        case .constant(.integer), .constant(.decimal), .property, .negated: return
        default: throw SQLFilterError(position: position, reason: "this cannot be compared by order (only numbers can)")
        }
    }

    private static func number(_ side: SQLExpression) -> Double? {
        switch side {
        case .constant(.integer(let number, _)): Double(number)
        case .constant(.decimal(let number)): number
        default: nil
        }
    }

    // MARK: Tokens

    private mutating func deeper() throws(SQLFilterError) {
        depth += 1
        guard depth <= Self.depthLimit else { throw failure("nested more than \(Self.depthLimit) deep") }
    }

    private mutating func advance() throws(SQLFilterError) { (token, position) = try lexer.token() }

    private func isWord(_ name: String) -> Bool {
        if case .word(let word) = token { word.uppercased() == name } else { false }
    }

    private mutating func take(word name: String) throws(SQLFilterError) -> Bool {
        guard isWord(name) else { return false }
        try advance()
        return true
    }

    private mutating func take(symbol name: String) throws(SQLFilterError) -> Bool {
        guard token == .symbol(name) else { return false }
        try advance()
        return true
    }

    private func failure(_ reason: String) -> SQLFilterError { SQLFilterError(position: position, reason: reason) }
}
