/// Requests 41 and 42: queues to lock or unlock for one member of a group.
public struct LockBatchRequestBody: JSONBody, Equatable {
    /// The group.
    public var consumerGroup: String
    /// The member.
    public var clientID: String
    /// The queues.
    public var queues: [QueueIdentity]

    /// A request.
    public init(consumerGroup: String, clientID: String, queues: [QueueIdentity]) {
        self.consumerGroup = consumerGroup
        self.clientID = clientID
        self.queues = queues
    }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        consumerGroup = try json.requiredString("consumerGroup", of: Self.self)
        clientID = try json.requiredString("clientId", of: Self.self)
        queues = []
        for value in json["mqSet"]?.arrayValue ?? [] { queues.append(try QueueIdentity(json: value)) }
    }

    /// The value.
    public var json: JSONValue {
        [
            "clientId": .string(clientID), "consumerGroup": .string(consumerGroup),
            "mqSet": .array(queues.map(\.json)),
        ]
    }
}

/// The answer to request 41: the queues that are now this member's.
public struct LockBatchResponseBody: JSONBody, Equatable {
    /// The queues.
    public var lockedQueues: [QueueIdentity]

    /// An answer.
    public init(lockedQueues: [QueueIdentity]) { self.lockedQueues = lockedQueues }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        lockedQueues = []
        for value in json["lockOKMQSet"]?.arrayValue ?? [] { lockedQueues.append(try QueueIdentity(json: value)) }
    }

    /// The value.
    public var json: JSONValue { ["lockOKMQSet": .array(lockedQueues.map(\.json))] }
}
