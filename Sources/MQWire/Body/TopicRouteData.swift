/// One broker set's queues of a topic.
public struct QueueData: JSONBody, Hashable {
    /// The broker set.
    public var brokerName: String
    /// How many queues are read.
    public var readQueueNums: Int32
    /// How many queues are written.
    public var writeQueueNums: Int32
    /// What may be done.
    public var permission: TopicPermission
    /// Unit-mode bits.
    public var topicSysFlag: Int32

    /// A broker set's queues.
    public init(
        brokerName: String, readQueueNums: Int32, writeQueueNums: Int32, permission: TopicPermission,
        topicSysFlag: Int32 = 0
    ) {
        self.brokerName = brokerName
        self.readQueueNums = readQueueNums
        self.writeQueueNums = writeQueueNums
        self.permission = permission
        self.topicSysFlag = topicSysFlag
    }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        brokerName = try json.requiredString("brokerName", of: Self.self)
        readQueueNums = try json.requiredInt32("readQueueNums", of: Self.self)
        writeQueueNums = try json.requiredInt32("writeQueueNums", of: Self.self)
        permission = TopicPermission(rawValue: try json.requiredInt32("perm", of: Self.self))
        topicSysFlag = json.int32("topicSysFlag") ?? json.int32("topicSynFlag") ?? 0
    }

    /// The value.
    public var json: JSONValue {
        [
            "brokerName": .string(brokerName), "perm": .integer(Int64(permission.rawValue)),
            "readQueueNums": .integer(Int64(readQueueNums)), "topicSysFlag": .integer(Int64(topicSysFlag)),
            "writeQueueNums": .integer(Int64(writeQueueNums)),
        ]
    }
}

/// One broker set: the brokers that share a name.
public struct BrokerData: JSONBody, Hashable {
    /// The cluster.
    public var cluster: String
    /// The set's name.
    public var brokerName: String
    /// Addresses by broker id; 0 is the master.
    public var addresses: [Int64: String]

    /// A broker set.
    public init(cluster: String, brokerName: String, addresses: [Int64: String]) {
        self.cluster = cluster
        self.brokerName = brokerName
        self.addresses = addresses
    }

    /// The master's address, while there is one.
    public var masterAddress: String? { addresses[0] }

    /// Reads the value; fastjson writes the ids as bare numbers.
    public init(json: JSONValue) throws(BodyError) {
        cluster = json["cluster"]?.stringValue ?? ""
        brokerName = try json.requiredString("brokerName", of: Self.self)
        addresses = [:]
        for member in json["brokerAddrs"]?.objectValue ?? [] {
            guard let id = Int64(member.key), let address = member.value.stringValue else {
                throw Self.missing("brokerAddrs.\(member.key)")
            }
            addresses[id] = address
        }
    }

    /// The value, brokers by id.
    public var json: JSONValue {
        [
            "brokerAddrs": .object(
                addresses.sorted { $0.key < $1.key }.map { JSONMember(String($0.key), .string($0.value)) }),
            "brokerName": .string(brokerName), "cluster": .string(cluster),
        ]
    }
}

/// Where a topic's queues are: the answer to request 105.
public struct TopicRouteData: JSONBody, Equatable {
    /// The queues by broker set.
    public var queueDatas: [QueueData]
    /// The broker sets.
    public var brokerDatas: [BrokerData]
    /// A configured order of queues, `broker:count;…`.
    public var orderTopicConfiguration: String?

    /// A route.
    public init(queueDatas: [QueueData], brokerDatas: [BrokerData], orderTopicConfiguration: String? = nil) {
        self.queueDatas = queueDatas
        self.brokerDatas = brokerDatas
        self.orderTopicConfiguration = orderTopicConfiguration
    }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        queueDatas = []
        for value in json["queueDatas"]?.arrayValue ?? [] { queueDatas.append(try QueueData(json: value)) }
        brokerDatas = []
        for value in json["brokerDatas"]?.arrayValue ?? [] { brokerDatas.append(try BrokerData(json: value)) }
        orderTopicConfiguration = json["orderTopicConf"]?.stringValue
    }

    /// The value.
    public var json: JSONValue {
        var members = [
            JSONMember("brokerDatas", .array(brokerDatas.map(\.json))), JSONMember("filterServerTable", .object([])),
        ]
        if let orderTopicConfiguration {
            members.append(JSONMember("orderTopicConf", .string(orderTopicConfiguration)))
        }
        members.append(JSONMember("queueDatas", .array(queueDatas.map(\.json))))
        return .object(members)
    }
}
