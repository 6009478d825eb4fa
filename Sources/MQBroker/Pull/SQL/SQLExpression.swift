/// A value that an expression has for one message.
enum SQLValue: Equatable, Sendable {
    /// Unknown: the message has no such property.
    case null
    case bool(Bool)
    /// A number without fraction; `isLong` when it does not fit 32 bits, which decides how a text beside it is read.
    case integer(Int64, isLong: Bool)
    case decimal(Double)
    case string(String)
}

/// An expression as a tree.
///
/// Logic has three values: what is compared with an unknown is unknown, and an unknown is not wanted. Properties are
/// texts; beside a number they are read as one of its kind. A text that is none makes the message unwanted, whatever
/// else the expression says of it: RocketMQ's evaluation ends there with an exception.
indirect enum SQLExpression: Sendable {
    case constant(SQLValue)
    case property(String)
    case negated(SQLExpression)
    /// A property in the place of a truth.
    case truth(of: SQLExpression)
    case not(SQLExpression)
    /// Lists, so that a long chain is no deep tree.
    case all([SQLExpression])
    case any([SQLExpression])
    case equal(SQLExpression, SQLExpression)
    case ordered(SQLExpression, Order, SQLExpression)
    case oneOf(property: String, values: Set<String>, isNegated: Bool)

    enum Order: String, Sendable {
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="

        func holds(_ comparison: Comparison) -> Bool {
            switch self {
            case .less: comparison == .before
            case .lessOrEqual: comparison != .after
            case .greater: comparison == .after
            case .greaterOrEqual: comparison != .before
            }
        }
    }

    enum Comparison { case before, same, after }

    /// The evaluation ends here: the message is not wanted.
    struct Abort: Error {}

    /// Whether it is a truth by itself, and no number or text.
    var isBoolean: Bool {
        switch self {
        case .constant(.bool), .constant(.null), .truth, .not, .all, .any, .equal, .ordered, .oneOf: true
        case .constant, .property, .negated: false
        }
    }

    /// How many parts it has.
    var cost: Int {
        switch self {
        case .constant: 1
        // A property is searched for among all.
        case .property, .oneOf: 8
        case .negated(let inner), .truth(let inner), .not(let inner): 1 + inner.cost
        case .all(let parts), .any(let parts): parts.reduce(1) { $0 + $1.cost }
        case .equal(let left, let right), .ordered(let left, _, let right): 1 + left.cost + right.cost
        }
    }

    func value(_ property: (String) -> String?) throws(Abort) -> SQLValue {
        switch self {
        case .constant(let value): return value
        case .property(let name): return property(name).map { .string($0) } ?? .null
        case .negated(let inner): return try Self.negate(inner.value(property))
        case .truth(let inner):
            return switch try inner.value(property) {
            case .null: .null
            case .bool(let truth): .bool(truth)
            default: .bool(false)
            }
        case .not(let inner):
            guard case .bool(let truth) = try inner.value(property) else { return .null }
            return .bool(!truth)
        case .all(let parts): return try Self.chain(parts, endsWith: false, property)
        case .any(let parts): return try Self.chain(parts, endsWith: true, property)
        case .equal(let left, let right): return try Self.equal(left.value(property), right.value(property))
        case .ordered(let left, let order, let right):
            return try Self.ordered(left.value(property), order, right.value(property))
        case .oneOf(let name, let values, let isNegated):
            guard let text = property(name) else { return .null }
            return .bool(values.contains(text) != isNegated)
        }
    }

    /// The first part that decides ends the evaluation; else an unknown part makes the whole unknown.
    private static func chain(
        _ parts: [SQLExpression], endsWith verdict: Bool, _ property: (String) -> String?
    ) throws(Abort) -> SQLValue {
        var outcome = SQLValue.bool(!verdict)
        for part in parts {
            let value = try part.value(property)
            if value == .bool(verdict) { return value }
            if value == .null { outcome = .null }
        }
        return outcome
    }

    private static func negate(_ value: SQLValue) -> SQLValue {
        switch value {
        case .integer(let number, let isLong): .integer(-number, isLong: isLong)
        case .decimal(let number): .decimal(-number)
        case .null, .bool, .string: .null
        }
    }

    private static func equal(_ left: SQLValue, _ right: SQLValue) throws(Abort) -> SQLValue {
        if left == .null { return right == .null ? .bool(true) : .null }
        if right == .null { return .bool(false) }
        if left == right { return .bool(true) }
        return .bool(try compare(left, right) == .same)
    }

    private static func ordered(_ left: SQLValue, _ order: Order, _ right: SQLValue) throws(Abort) -> SQLValue {
        if left == .null || right == .null { return .null }
        if case .string(let first) = left, case .string(let second) = right {
            // Two texts have an order only as numbers.
            guard let first = number(first), let second = number(second) else { throw Abort() }
            return .bool(order.holds(compare(first, second)))
        }
        return .bool(order.holds(try compare(left, right)))
    }

    private static func compare(_ left: SQLValue, _ right: SQLValue) throws(Abort) -> Comparison {
        switch (left, right) {
        case (.string(let first), .string(let second)): return compare(first, second)
        case (.bool(let first), .bool(let second)): return compare(first ? 1 : 0, second ? 1 : 0)
        case (.string(let text), .bool(let second)):
            return compare(text.lowercased() == "true" ? 1 : 0, second ? 1 : 0)
        case (.string(let text), let number): return try compare(read(text, like: number), number)
        case (.bool, .string): throw Abort()
        case (let number, .string(let text)): return try compare(number, read(text, like: number))
        case (.integer(let first, _), .integer(let second, _)): return compare(first, second)
        case (.integer(let first, _), .decimal(let second)): return compare(Double(first), second)
        case (.decimal(let first), .integer(let second, _)): return compare(first, Double(second))
        case (.decimal(let first), .decimal(let second)): return compare(first, second)
        // A truth and a number.
        case (.bool, _), (_, .bool), (.null, _), (_, .null): return .before
        }
    }

    /// A property's text as a number of the other side's kind.
    private static func read(_ text: String, like other: SQLValue) throws(Abort) -> SQLValue {
        switch other {
        case .integer(_, let isLong):
            guard let number = Int64(text), isLong || Int32(exactly: number) != nil else { throw Abort() }
            return .integer(number, isLong: isLong)
        case .decimal:
            guard let number = number(text) else { throw Abort() }
            return .decimal(number)
        case .null, .bool, .string: throw Abort()
        }
    }

    private static func number(_ text: String) -> Double? { Double(text.drop { $0 == " " }) }

    private static func compare<Value: Comparable>(_ left: Value, _ right: Value) -> Comparison {
        left < right ? .before : left == right ? .same : .after
    }
}
