public import NIOCore

/// Where a consumer is in the queues of a topic: its answer to request 221.
public struct ConsumerStatus: Sendable, Equatable {
    /// One queue.
    public struct Place: Sendable, Equatable {
        /// Which.
        public var queue: QueueIdentity
        /// The next message that is not done.
        public var offset: Int64

        /// One queue.
        public init(queue: QueueIdentity, offset: Int64) {
            self.queue = queue
            self.offset = offset
        }
    }

    /// The places, in the order in which they are written.
    public var places: [Place]

    /// Where a consumer is.
    public init(places: [Place]) { self.places = places }

    /// Reads a body; a value that is no offset is passed over.
    public init(decoding buffer: ByteBuffer?) throws(BodyError) {
        let json = try JSONValue(body: buffer, of: "ConsumerStatus")
        places = try Self.places(json["messageQueueTable"])
    }

    fileprivate static func places(_ table: JSONValue?) throws(BodyError) -> [Place] {
        try QueueTable.entries(table, of: "ConsumerStatus").compactMap { entry in
            entry.value.integerValue.map { Place(queue: entry.queue, offset: $0) }
        }
    }

    fileprivate static func write(_ places: [Place], into buffer: inout ByteBuffer) {
        QueueTable.write(places.map { ($0.queue, .integer($0.offset)) }, into: &buffer)
    }

    /// The body's bytes.
    public func encoded() -> ByteBuffer {
        var buffer = ByteBuffer(string: "{\"messageQueueTable\":")
        Self.write(places, into: &buffer)
        buffer.writeString("}")
        return buffer
    }
}

/// Where each member of a group is in the queues of a topic: the answer to request 223.
public struct GroupStatus: Sendable, Equatable {
    /// One member.
    public struct Member: Sendable, Equatable {
        /// Its client's name.
        public var clientID: String
        /// Where it is.
        public var status: ConsumerStatus

        /// One member.
        public init(clientID: String, status: ConsumerStatus) {
            self.clientID = clientID
            self.status = status
        }
    }

    /// The members, in the order in which they are written.
    public var members: [Member]

    /// Where the members are.
    public init(members: [Member]) { self.members = members }

    /// Reads a body.
    public init(decoding buffer: ByteBuffer?) throws(BodyError) {
        let json = try JSONValue(body: buffer, of: "GroupStatus")
        members = []
        for member in json["consumerTable"]?.objectValue ?? [] {
            let places = try ConsumerStatus.places(member.value)
            members.append(Member(clientID: member.key, status: ConsumerStatus(places: places)))
        }
    }

    /// The body's bytes.
    public func encoded() -> ByteBuffer {
        var buffer = ByteBuffer(string: "{\"consumerTable\":{")
        for (index, member) in members.enumerated() {
            if index > 0 { buffer.writeString(",") }
            JSONValue.string(member.clientID).write(into: &buffer)
            buffer.writeString(":")
            ConsumerStatus.write(member.status.places, into: &buffer)
        }
        buffer.writeString("}}")
        return buffer
    }
}

/// What became of one message that a consumer was made to handle: its answer to request 309.
public struct DirectConsumption: JSONBody, Equatable {
    /// `CR_SUCCESS`, `CR_LATER`, `CR_THROW_EXCEPTION` and others of RocketMQ's `CMResult`.
    public var result: String
    /// What went wrong.
    public var remark: String
    /// Whether it reads in order.
    public var isOrderly: Bool
    /// How long it took, in milliseconds.
    public var spentMilliseconds: Int64

    /// What became of a message.
    public init(result: String, remark: String = "", isOrderly: Bool = false, spentMilliseconds: Int64) {
        self.result = result
        self.remark = remark
        self.isOrderly = isOrderly
        self.spentMilliseconds = spentMilliseconds
    }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        result = try json.requiredString("consumeResult", of: Self.self)
        remark = json["remark"]?.stringValue ?? ""
        isOrderly = json["order"]?.boolValue ?? false
        spentMilliseconds = json["spentTimeMills"]?.integerValue ?? 0
    }

    /// The value.
    public var json: JSONValue {
        [
            "autoCommit": true, "consumeResult": .string(result), "order": .bool(isOrderly),
            "remark": .string(remark), "spentTimeMills": .integer(spentMilliseconds),
        ]
    }
}
