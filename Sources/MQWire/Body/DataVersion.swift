/// The age of a broker's tables: a nameserver or slave compares it to see whether anything changed.
public struct DataVersion: JSONBody, Hashable {
    /// When the tables last changed, in milliseconds since 1970.
    public var timestamp: Int64
    /// How often they changed.
    public var counter: Int64

    /// A version.
    public init(timestamp: Int64 = 0, counter: Int64 = 0) {
        self.timestamp = timestamp
        self.counter = counter
    }

    /// Notes a change at a time given by the caller.
    public mutating func advance(nowMilliseconds: Int64) {
        timestamp = nowMilliseconds
        counter += 1
    }

    /// Reads the value; a missing counter is 0, as an object of Java's could be null.
    public init(json: JSONValue) throws(BodyError) {
        timestamp = try json.requiredInteger("timestamp", of: Self.self)
        counter = json["counter"]?.integerValue ?? 0
    }

    /// The value.
    public var json: JSONValue { ["counter": .integer(counter), "timestamp": .integer(timestamp)] }
}
