/// One client of a group, as its broker sees it.
public struct ClientConnection: JSONBody, Equatable {
    /// The client's own name.
    public var clientID: String
    /// Its address, `host:port`.
    public var address: String
    /// Its language, in RocketMQ's words.
    public var language: String
    /// Its version, in RocketMQ's numbers.
    public var version: Int64

    /// One client.
    public init(clientID: String, address: String, language: String, version: Int64) {
        self.clientID = clientID
        self.address = address
        self.language = language
        self.version = version
    }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        clientID = try json.requiredString("clientId", of: Self.self)
        address = json["clientAddr"]?.stringValue ?? ""
        language = json["language"]?.stringValue ?? ""
        version = json["version"]?.integerValue ?? 0
    }

    /// The value.
    public var json: JSONValue {
        [
            "clientAddr": .string(address), "clientId": .string(clientID), "language": .string(language),
            "version": .integer(version),
        ]
    }

    static func list(_ json: JSONValue) throws(BodyError) -> [ClientConnection] {
        var connections: [ClientConnection] = []
        for value in json["connectionSet"]?.arrayValue ?? [] { connections.append(try ClientConnection(json: value)) }
        return connections
    }
}

/// Who reads for a group, and what: the answer to request 203.
public struct ConsumerConnections: JSONBody, Equatable {
    /// The clients.
    public var connections: [ClientConnection]
    /// Who starts the transport of messages.
    public var consumeType: ConsumeType
    /// How the group shares messages.
    public var messageModel: MessageModel
    /// Where it starts without an offset.
    public var consumeFromWhere: ConsumeFromWhere
    /// What it wants, by topic.
    public var subscriptions: [SubscriptionData]

    /// Who reads for a group.
    public init(
        connections: [ClientConnection], consumeType: ConsumeType, messageModel: MessageModel,
        consumeFromWhere: ConsumeFromWhere, subscriptions: [SubscriptionData]
    ) {
        self.connections = connections
        self.consumeType = consumeType
        self.messageModel = messageModel
        self.consumeFromWhere = consumeFromWhere
        self.subscriptions = subscriptions
    }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        connections = try ClientConnection.list(json)
        consumeType = ConsumeType(json: json["consumeType"]) ?? .passively
        messageModel = MessageModel(json: json["messageModel"]) ?? .clustering
        consumeFromWhere = ConsumeFromWhere(json: json["consumeFromWhere"]) ?? .lastOffset
        subscriptions = []
        for member in json["subscriptionTable"]?.objectValue ?? [] {
            subscriptions.append(try SubscriptionData(json: member.value))
        }
    }

    /// The value, subscriptions by topic.
    public var json: JSONValue {
        [
            "connectionSet": .array(connections.map(\.json)),
            "consumeFromWhere": .string(consumeFromWhere.rawValue), "consumeType": .string(consumeType.rawValue),
            "messageModel": .string(messageModel.rawValue),
            "subscriptionTable": .object(
                subscriptions.sorted { $0.topic < $1.topic }.map { JSONMember($0.topic, $0.json) }),
        ]
    }
}

/// Who sends in a group: the answer to request 204.
public struct ProducerConnections: JSONBody, Equatable {
    /// The clients.
    public var connections: [ClientConnection]

    /// Who sends in a group.
    public init(connections: [ClientConnection]) { self.connections = connections }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) { connections = try ClientConnection.list(json) }

    /// The value.
    public var json: JSONValue { ["connectionSet": .array(connections.map(\.json))] }
}

/// The groups that read a topic: the answer to request 300.
public struct GroupList: JSONBody, Equatable {
    /// Their names.
    public var groups: [String]

    /// A list.
    public init(groups: [String]) { self.groups = groups }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        guard let names = json["groupList"]?.arrayValue else { throw Self.missing("groupList") }
        groups = names.compactMap(\.stringValue)
    }

    /// The value.
    public var json: JSONValue { ["groupList": .array(groups.map { .string($0) })] }
}
