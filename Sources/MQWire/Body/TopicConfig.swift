/// Permission bits of a topic. Source: RocketMQ 4.9 `PermName`.
public struct TopicPermission: OptionSet, Hashable, Sendable {
    /// The number on the wire.
    public let rawValue: Int32
    /// Wraps any number.
    public init(rawValue: Int32) { self.rawValue = rawValue }
    /// Automatic topics take over this topic's settings.
    public static let inherit = TopicPermission(rawValue: 1)
    /// Messages may be sent.
    public static let write = TopicPermission(rawValue: 2)
    /// Messages may be pulled.
    public static let read = TopicPermission(rawValue: 4)
    /// Both.
    public static let readWrite: TopicPermission = [.read, .write]
}

/// A topic's settings on one broker.
public struct TopicConfig: JSONBody, Hashable {
    /// The topic.
    public var name: String
    /// How many queues are read; larger than the write count while a topic shrinks without loss.
    public var readQueueNums: Int32
    /// How many queues are written.
    public var writeQueueNums: Int32
    /// What may be done.
    public var permission: TopicPermission
    /// Unit-mode bits.
    public var sysFlag: Int32
    /// Whether the order across queues is configured.
    public var order: Bool
    /// `SINGLE_TAG` or `MULTI_TAG`; tag hashes are only written for the first.
    public var filterType: String

    /// A topic.
    public init(
        name: String, readQueueNums: Int32 = 16, writeQueueNums: Int32 = 16, permission: TopicPermission = .readWrite,
        sysFlag: Int32 = 0, order: Bool = false, filterType: String = "SINGLE_TAG"
    ) {
        self.name = name
        self.readQueueNums = readQueueNums
        self.writeQueueNums = writeQueueNums
        self.permission = permission
        self.sysFlag = sysFlag
        self.order = order
        self.filterType = filterType
    }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        name = try json.requiredString("topicName", of: Self.self)
        readQueueNums = try json.requiredInt32("readQueueNums", of: Self.self)
        writeQueueNums = try json.requiredInt32("writeQueueNums", of: Self.self)
        permission = TopicPermission(rawValue: json.int32("perm") ?? TopicPermission.readWrite.rawValue)
        sysFlag = json.int32("topicSysFlag") ?? 0
        order = json["order"]?.boolValue ?? false
        filterType = json["topicFilterType"]?.stringValue ?? "SINGLE_TAG"
    }

    /// The value.
    public var json: JSONValue {
        [
            "order": .bool(order), "perm": .integer(Int64(permission.rawValue)),
            "readQueueNums": .integer(Int64(readQueueNums)), "topicFilterType": .string(filterType),
            "topicName": .string(name), "topicSysFlag": .integer(Int64(sysFlag)),
            "writeQueueNums": .integer(Int64(writeQueueNums)),
        ]
    }
}

/// A broker's topic table with its age: the answer to request 21 and the file `topics.json`.
public struct TopicConfigTable: JSONBody, Equatable {
    /// The topics by name.
    public var topics: [String: TopicConfig]
    /// The table's age.
    public var dataVersion: DataVersion

    /// A table.
    public init(topics: [String: TopicConfig] = [:], dataVersion: DataVersion = DataVersion()) {
        self.topics = topics
        self.dataVersion = dataVersion
    }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        topics = [:]
        for member in json["topicConfigTable"]?.objectValue ?? [] {
            topics[member.key] = try TopicConfig(json: member.value)
        }
        dataVersion =
            try json["dataVersion"].map { (value) throws(BodyError) in try DataVersion(json: value) }
            ?? DataVersion()
    }

    /// The value, topics by name.
    public var json: JSONValue {
        [
            "dataVersion": dataVersion.json,
            "topicConfigTable": .object(
                topics.sorted { $0.key < $1.key }.map { JSONMember($0.key, $0.value.json) }),
        ]
    }
}
