/// How a consumer group shares messages.
public enum MessageModel: String, Sendable {
    /// Every member gets every message.
    case broadcasting = "BROADCASTING"
    /// Each message goes to one member.
    case clustering = "CLUSTERING"

    /// Reads a name, or the number that the native client sends.
    init?(json: JSONValue?) {
        switch json {
        case .string(let name): self.init(rawValue: name)
        case .integer(0): self = .broadcasting
        case .integer(1): self = .clustering
        default: return nil
        }
    }
}

/// Whether messages are asked for by the application or delivered by the client library.
public enum ConsumeType: String, Sendable {
    /// By the application.
    case actively = "CONSUME_ACTIVELY"
    /// By the library.
    case passively = "CONSUME_PASSIVELY"

    /// Reads a name, or the number that the native client sends.
    init?(json: JSONValue?) {
        switch json {
        case .string(let name): self.init(rawValue: name)
        case .integer(0): self = .actively
        case .integer(1): self = .passively
        default: return nil
        }
    }
}

/// Where a group starts that has no offset yet.
public enum ConsumeFromWhere: String, Sendable {
    /// At the end.
    case lastOffset = "CONSUME_FROM_LAST_OFFSET"
    /// At the beginning.
    case firstOffset = "CONSUME_FROM_FIRST_OFFSET"
    /// At a time.
    case timestamp = "CONSUME_FROM_TIMESTAMP"

    /// Reads a name, or the number that the native client sends.
    init?(json: JSONValue?) {
        switch json {
        case .string(let name): self.init(rawValue: name)
        case .integer(0), .integer(1), .integer(2), .integer(3): self = .lastOffset
        case .integer(4): self = .firstOffset
        case .integer(5): self = .timestamp
        default: return nil
        }
    }
}

/// What a consumer wants of a topic.
public struct SubscriptionData: JSONBody, Hashable {
    /// The topic.
    public var topic: String
    /// Tags as `a || b`, or `*`.
    public var expression: String
    /// `TAG`, or a filter language.
    public var expressionType: String
    /// When it was last changed, in milliseconds since 1970; newer replaces older.
    public var version: Int64
    /// The tags by name; empty for `*`.
    public var tags: [String]
    /// The tags by hash.
    public var codes: [Int32]
    /// Whether a class filter is used.
    public var classFilterMode: Bool

    /// A subscription.
    public init(
        topic: String, expression: String = "*", expressionType: String = "TAG", version: Int64 = 0,
        tags: [String] = [], codes: [Int32] = [], classFilterMode: Bool = false
    ) {
        self.topic = topic
        self.expression = expression
        self.expressionType = expressionType
        self.version = version
        self.tags = tags
        self.codes = codes
        self.classFilterMode = classFilterMode
    }

    /// Reads the value; the native client leaves most of it out.
    public init(json: JSONValue) throws(BodyError) {
        topic = try json.requiredString("topic", of: Self.self)
        expression = json["subString"]?.stringValue ?? "*"
        expressionType = json["expressionType"]?.stringValue ?? "TAG"
        version = json["subVersion"]?.integerValue ?? 0
        tags = json["tagsSet"]?.arrayValue?.compactMap(\.stringValue) ?? []
        codes = json["codeSet"]?.arrayValue?.compactMap { $0.integerValue.flatMap { Int32(exactly: $0) } } ?? []
        classFilterMode = json["classFilterMode"]?.boolValue ?? false
    }

    /// The value.
    public var json: JSONValue {
        [
            "classFilterMode": .bool(classFilterMode), "codeSet": .array(codes.map { .integer(Int64($0)) }),
            "expressionType": .string(expressionType), "subString": .string(expression),
            "subVersion": .integer(version), "tagsSet": .array(tags.map { .string($0) }), "topic": .string(topic),
        ]
    }
}

/// A consumer group that a client is a member of.
public struct ConsumerData: JSONBody, Equatable {
    /// The group.
    public var groupName: String
    /// Who starts the transport of messages.
    public var consumeType: ConsumeType
    /// How the group shares messages.
    public var messageModel: MessageModel
    /// Where it starts without an offset.
    public var consumeFromWhere: ConsumeFromWhere
    /// What it wants.
    public var subscriptions: [SubscriptionData]
    /// A mode of multi-tenant installations.
    public var unitMode: Bool

    /// A membership.
    public init(
        groupName: String, consumeType: ConsumeType = .actively, messageModel: MessageModel = .clustering,
        consumeFromWhere: ConsumeFromWhere = .lastOffset, subscriptions: [SubscriptionData] = [],
        unitMode: Bool = false
    ) {
        self.groupName = groupName
        self.consumeType = consumeType
        self.messageModel = messageModel
        self.consumeFromWhere = consumeFromWhere
        self.subscriptions = subscriptions
        self.unitMode = unitMode
    }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        groupName = try json.requiredString("groupName", of: Self.self)
        consumeType = ConsumeType(json: json["consumeType"]) ?? .passively
        messageModel = MessageModel(json: json["messageModel"]) ?? .clustering
        consumeFromWhere = ConsumeFromWhere(json: json["consumeFromWhere"]) ?? .lastOffset
        subscriptions = []
        for value in json["subscriptionDataSet"]?.arrayValue ?? [] {
            subscriptions.append(try SubscriptionData(json: value))
        }
        unitMode = json["unitMode"]?.boolValue ?? false
    }

    /// The value.
    public var json: JSONValue {
        [
            "consumeFromWhere": .string(consumeFromWhere.rawValue), "consumeType": .string(consumeType.rawValue),
            "groupName": .string(groupName), "messageModel": .string(messageModel.rawValue),
            "subscriptionDataSet": .array(subscriptions.map(\.json)), "unitMode": .bool(unitMode),
        ]
    }
}

/// What a client announces with request 34.
public struct HeartbeatData: JSONBody, Equatable {
    /// The client: address, instance, process.
    public var clientID: String
    /// The groups that it produces in.
    public var producerGroups: [String]
    /// The groups that it consumes in.
    public var consumers: [ConsumerData]

    /// An announcement.
    public init(clientID: String, producerGroups: [String] = [], consumers: [ConsumerData] = []) {
        self.clientID = clientID
        self.producerGroups = producerGroups
        self.consumers = consumers
    }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        clientID = try json.requiredString("clientID", of: Self.self)
        producerGroups = json["producerDataSet"]?.arrayValue?.compactMap { $0["groupName"]?.stringValue } ?? []
        consumers = []
        for value in json["consumerDataSet"]?.arrayValue ?? [] { consumers.append(try ConsumerData(json: value)) }
    }

    /// The value.
    public var json: JSONValue {
        [
            "clientID": .string(clientID), "consumerDataSet": .array(consumers.map(\.json)),
            "producerDataSet": .array(producerGroups.map { ["groupName": .string($0)] }),
        ]
    }
}
