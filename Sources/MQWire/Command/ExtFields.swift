/// A command's named string fields, in the order in which they came.
///
/// An array and a linear search: a command has at most about twenty fields, with keys that fit into a word or two,
/// so hashing costs more than it saves. Keys are unique: setting an existing one replaces its value.
public struct ExtFields: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    /// The most fields that are read of one header, repeated ones included: a search for each must not add up to
    /// minutes. RocketMQ's requests have at most about twenty.
    static let readLimit = 1024

    /// The fields in order.
    public private(set) var pairs: [(key: String, value: String)]
    /// A bit for each kind of name that there may be: a name whose bit is not set is new.
    private var kinds: UInt64 = 0

    /// No fields.
    public init() { pairs = [] }

    /// Fields from a literal; a repeated key keeps its last value.
    public init(dictionaryLiteral elements: (String, String)...) {
        pairs = []
        for (key, value) in elements { self[key] = value }
    }

    /// Whether there is no field at all.
    public var isEmpty: Bool { pairs.isEmpty }

    /// How many fields there are.
    public var count: Int { pairs.count }

    /// The value of a field; setting `nil` removes it.
    public subscript(key: String) -> String? {
        get { place(of: key).map { pairs[$0].value } }
        set {
            if let newValue {
                set(key, newValue)
            } else if let place = place(of: key) {
                pairs.remove(at: place)
            }
        }
    }

    /// Sets a field; one whose name cannot be there yet is added without a search.
    mutating func set(_ key: String, _ value: String) {
        if kinds & Self.kind(key) != 0, let place = place(of: key) {
            pairs[place].value = value
        } else {
            appendUnchecked(key, value)
        }
    }

    /// Makes room for so many fields.
    mutating func reserve(_ count: Int) { pairs.reserveCapacity(count) }

    /// As many fields as most requests have.
    static let usualCount = 16

    /// By their bytes; names of different lengths are told apart without a look at those.
    private func place(of key: String) -> Int? {
        pairs.firstIndex { TextBytes.areEqual($0.key, key) }
    }

    /// One of 64 bits, by a name's first byte and length.
    private static func kind(_ key: String) -> UInt64 {
        1 << UInt64((Int(key.utf8.first ?? 0) &+ 7 &* key.utf8.count) & 63)
    }

    /// Adds a field that the caller knows to be new: decoders and encoders save the search.
    @inlinable
    public mutating func append(_ key: String, _ value: String) { appendUnchecked(key, value) }

    @usableFromInline
    mutating func appendUnchecked(_ key: String, _ value: String) {
        kinds |= Self.kind(key)
        pairs.append((key, value))
    }

    /// Sets a field to an integer's decimal text.
    public mutating func set(_ key: String, _ value: some BinaryInteger) { self[key] = String(value) }

    /// Sets a field to `true` or `false`.
    public mutating func set(_ key: String, _ value: Bool) { self[key] = value ? "true" : "false" }

    /// The value of a field that must be there.
    public func required(_ key: String) throws(HeaderError) -> String {
        guard let value = self[key] else { throw HeaderError(field: key, value: nil, expected: "a value") }
        return value
    }

    /// An integer field that must be there and fit `type`.
    public func required<Value: FixedWidthInteger>(
        _ key: String, as type: Value.Type
    ) throws(HeaderError) -> Value {
        let text = try required(key)
        guard let value = Value(text) else { throw HeaderError.notA(type, field: key, value: text) }
        return value
    }

    /// An integer field that may be absent or empty; present and malformed is an error all the same.
    public func optional<Value: FixedWidthInteger>(
        _ key: String, as type: Value.Type
    ) throws(HeaderError) -> Value? {
        guard let text = self[key], !text.isEmpty else { return nil }
        guard let value = Value(text) else { throw HeaderError.notA(type, field: key, value: text) }
        return value
    }

    /// A flag that may be absent (`false`); clients write `true`, `false`, `1` and `0`.
    public func flag(_ key: String) -> Bool { self[key].map(Self.isTrue) ?? false }

    static func isTrue(_ value: String) -> Bool {
        switch value {
        case "true", "1", "TRUE", "True": true
        default: false
        }
    }

    /// Equal when the same fields have the same values, in any order: the wire gives the order no meaning.
    public static func == (left: ExtFields, right: ExtFields) -> Bool {
        left.pairs.count == right.pairs.count && left.pairs.allSatisfy { right[$0.key] == $0.value }
    }
}
