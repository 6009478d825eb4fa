public import NIOCore

/// A command's body that is JSON: topic tables, routes, heartbeats.
public protocol JSONBody: Sendable {
    /// Reads the value; throws on a missing or malformed member.
    init(json: JSONValue) throws(BodyError)
    /// The value as it goes on the wire.
    var json: JSONValue { get }
}

/// A body is not what its request or answer says it is.
public struct BodyError: Error, Equatable, CustomStringConvertible {
    /// The body's type.
    public let body: String
    /// What is wrong with it.
    public let reason: String

    /// Describes one bad body.
    public init(body: String, reason: String) {
        self.body = body
        self.reason = reason
    }

    /// Fit for a remark.
    public var description: String { "\(body): \(reason)" }
}

extension JSONBody {
    /// Reads a command's body; an absent one is an error.
    public init(decoding buffer: ByteBuffer?) throws(BodyError) {
        try self.init(json: try JSONValue(body: buffer, of: "\(Self.self)"))
    }

    /// The body's bytes, strict JSON.
    public func encoded() -> ByteBuffer { json.encoded() }

    static func missing(_ member: String) -> BodyError {
        BodyError(body: "\(Self.self)", reason: "member '\(member)' is missing or of the wrong type")
    }
}

extension JSONValue {
    /// Reads a command's body; an absent one is an error, which names what it should have been.
    init(body buffer: ByteBuffer?, of name: String) throws(BodyError) {
        guard let buffer, buffer.readableBytes > 0 else {
            throw BodyError(body: name, reason: "the body is empty")
        }
        do throws(JSONError) {
            self = try JSONValue(parsing: buffer)
        } catch {
            throw BodyError(body: name, reason: error.description)
        }
    }

    func requiredString<Body: JSONBody>(_ key: String, of body: Body.Type) throws(BodyError) -> String {
        guard let value = self[key]?.stringValue else { throw Body.missing(key) }
        return value
    }

    func requiredInteger<Body: JSONBody>(_ key: String, of body: Body.Type) throws(BodyError) -> Int64 {
        guard let value = self[key]?.integerValue else { throw Body.missing(key) }
        return value
    }

    func requiredInt32<Body: JSONBody>(_ key: String, of body: Body.Type) throws(BodyError) -> Int32 {
        guard let value = Int32(exactly: try requiredInteger(key, of: body)) else { throw Body.missing(key) }
        return value
    }

    /// An integer member that may be absent; out of range counts as absent.
    func int32(_ key: String) -> Int32? { self[key]?.integerValue.flatMap { Int32(exactly: $0) } }
}
