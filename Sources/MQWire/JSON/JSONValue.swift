public import NIOCore

/// One member of a JSON object.
public struct JSONMember: Sendable, Equatable {
    /// The key; a key that was an object is that object's strict text.
    public var key: String
    /// The value.
    public var value: JSONValue

    /// A member.
    public init(_ key: String, _ value: JSONValue) {
        self.key = key
        self.value = value
    }
}

/// A JSON value, for bodies.
///
/// Read leniently (see ``JSONReader``), written strictly. Objects keep their members' order. Integers stay exact:
/// offsets and times do not survive a trip through `Double`.
public enum JSONValue: Sendable, Equatable {
    /// `null`.
    case null
    /// `true` or `false`.
    case bool(Bool)
    /// A number without fraction that fits 64 bits.
    case integer(Int64)
    /// Any other number.
    case number(Double)
    /// A string.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object, in the order of the text.
    case object([JSONMember])

    /// Parses a body. White space after the value is fine, anything else is not.
    public init(parsing buffer: ByteBuffer) throws(JSONError) {
        self = try Self.parsed(buffer)
    }

    /// Parses a text.
    public init(parsing text: String) throws(JSONError) {
        try self.init(parsing: ByteBuffer(string: text))
    }

    private static func parsed(_ buffer: ByteBuffer) throws(JSONError) -> JSONValue {
        let result: Result<JSONValue, JSONError> = buffer.withUnsafeReadableBytes { bytes in
            var reader = JSONReader(bytes)
            do throws(JSONError) {
                let value = try reader.value()
                guard reader.peek() == nil else { return .failure(reader.failure("the end of the text")) }
                return .success(value)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// An object's member; `nil` when absent, `null`, or this is no object.
    public subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self, let value = members.first(where: { $0.key == key })?.value,
            value != .null
        else { return nil }
        return value
    }

    /// The value as a string; scalars give their text.
    public var stringValue: String? {
        switch self {
        case .string(let text): text
        case .integer(let value): String(value)
        case .bool(let value): value ? "true" : "false"
        case .number(let value): "\(value)"
        case .null, .array, .object: nil
        }
    }

    /// The number, with a fraction or without; `nil` for anything else.
    public var doubleValue: Double? {
        switch self {
        case .number(let value): value
        case .integer(let value): Double(value)
        default: nil
        }
    }

    /// The value as an integer; a numeric string counts.
    public var integerValue: Int64? {
        switch self {
        case .integer(let value): value
        case .string(let text): Int64(text)
        case .number(let value): Int64(exactly: value)
        case .null, .bool, .array, .object: nil
        }
    }

    /// The value as a flag; `"true"`, `1` and their like count.
    public var boolValue: Bool? {
        switch self {
        case .bool(let value): value
        case .string("true"), .integer(1): true
        case .string("false"), .integer(0): false
        default: nil
        }
    }

    /// The elements; `nil` when this is no array.
    public var arrayValue: [JSONValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// The members; `nil` when this is no object.
    public var objectValue: [JSONMember]? {
        guard case .object(let members) = self else { return nil }
        return members
    }

    /// The strict text.
    public var text: String { String(buffer: encoded()) }

    /// The strict text as bytes.
    public func encoded() -> ByteBuffer {
        var buffer = ByteBuffer()
        write(into: &buffer)
        return buffer
    }

    /// Appends the strict text.
    public func write(into buffer: inout ByteBuffer) {
        switch self {
        case .null: buffer.writeStaticString("null")
        case .bool(let value): buffer.writeString(value ? "true" : "false")
        case .integer(let value): buffer.writeString(String(value))
        case .number(let value): buffer.writeString("\(value)")
        case .string(let text): buffer.writeJSONString(text)
        case .array(let elements):
            buffer.writeInteger(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { buffer.writeInteger(UInt8(ascii: ",")) }
                element.write(into: &buffer)
            }
            buffer.writeInteger(UInt8(ascii: "]"))
        case .object(let members):
            buffer.writeInteger(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { buffer.writeInteger(UInt8(ascii: ",")) }
                buffer.writeJSONString(member.key)
                buffer.writeInteger(UInt8(ascii: ":"))
                member.value.write(into: &buffer)
            }
            buffer.writeInteger(UInt8(ascii: "}"))
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }
    /// An integer.
    public init(integerLiteral value: Int64) { self = .integer(value) }
    /// A flag.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// An array.
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    /// An object.
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(elements.map { JSONMember($0.0, $0.1) })
    }
}
