public import NIOCore

/// A body `{"offsetTable":{queue:value,…}}` whose keys are queues: offsets, statistics and progress by queue.
///
/// The keys go out as objects, `{{"brokerName":…}:…}`: that is how RocketMQ's tools write such a map, and they read it in no
/// other way.
public struct QueueTable: Sendable, Equatable {
    /// The queues and their values, in the order in which they are written.
    public var entries: [(queue: QueueIdentity, value: JSONValue)]
    /// Members before the table.
    public var extras: [JSONMember]

    /// A table.
    public init(_ entries: [(queue: QueueIdentity, value: JSONValue)], extras: [JSONMember] = []) {
        self.entries = entries
        self.extras = extras
    }

    /// Reads a body; members other than the table become ``extras``.
    public init(decoding buffer: ByteBuffer?) throws(BodyError) {
        try self.init(json: try JSONValue(body: buffer, of: "QueueTable"))
    }

    /// Reads a value; members other than the table become ``extras``.
    init(json: JSONValue) throws(BodyError) {
        extras = (json.objectValue ?? []).filter { $0.key != "offsetTable" }
        entries = try Self.entries(json["offsetTable"], of: "QueueTable")
    }

    /// The body's bytes.
    public func encoded() -> ByteBuffer {
        var buffer = ByteBuffer()
        write(into: &buffer)
        return buffer
    }

    func write(into buffer: inout ByteBuffer) {
        buffer.writeString("{")
        for extra in extras {
            JSONValue.string(extra.key).write(into: &buffer)
            buffer.writeString(":")
            extra.value.write(into: &buffer)
            buffer.writeString(",")
        }
        buffer.writeString("\"offsetTable\":")
        Self.write(entries, into: &buffer)
        buffer.writeString("}")
    }

    /// Reads a table whose keys are queues; an absent one is empty.
    static func entries(
        _ table: JSONValue?, of body: String
    ) throws(BodyError) -> [(queue: QueueIdentity, value: JSONValue)] {
        var entries: [(queue: QueueIdentity, value: JSONValue)] = []
        for member in table?.objectValue ?? [] {
            // The reader gives a key that was an object as that object's text.
            guard let key = try? JSONValue(parsing: member.key) else {
                throw BodyError(body: body, reason: "'\(member.key)' is no queue")
            }
            entries.append((try QueueIdentity(json: key), member.value))
        }
        return entries
    }

    /// Writes a table whose keys are queues.
    static func write(_ entries: [(queue: QueueIdentity, value: JSONValue)], into buffer: inout ByteBuffer) {
        buffer.writeString("{")
        for (index, entry) in entries.enumerated() {
            if index > 0 { buffer.writeString(",") }
            entry.queue.json.write(into: &buffer)
            buffer.writeString(":")
            entry.value.write(into: &buffer)
        }
        buffer.writeString("}")
    }

    /// Whether both say the same, in the same order.
    public static func == (left: QueueTable, right: QueueTable) -> Bool {
        left.extras == right.extras && left.entries.elementsEqual(right.entries) { $0 == $1 }
    }
}
