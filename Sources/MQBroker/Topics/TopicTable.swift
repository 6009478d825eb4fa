import MQWire

/// The topics of this broker. Pure: whoever changes it saves and registers it.
struct TopicTable: Sendable {
    private(set) var table: TopicConfigTable
    /// Those that clients made and that are not on the disk yet: nobody may hear of a message of one before.
    private(set) var unsaved: Set<String> = []

    /// The system's topics, and those that were saved.
    init(saved: TopicConfigTable?, configuration: BrokerConfiguration) {
        table = saved ?? TopicConfigTable()
        let inheritable: TopicPermission = [.readWrite, .inherit]
        let own = [
            TopicConfig(name: SystemTopic.selfTest, readQueueNums: 1, writeQueueNums: 1),
            TopicConfig(
                name: SystemTopic.automaticModel, readQueueNums: configuration.defaultTopicQueueNums,
                writeQueueNums: configuration.defaultTopicQueueNums,
                permission: configuration.autoCreateTopics ? inheritable : .readWrite),
            TopicConfig(name: SystemTopic.benchmark, readQueueNums: 1024, writeQueueNums: 1024),
            TopicConfig(name: configuration.clusterName, permission: inheritable),
            TopicConfig(name: configuration.brokerName, readQueueNums: 1, writeQueueNums: 1, permission: inheritable),
            TopicConfig(name: SystemTopic.offsetMoved, readQueueNums: 1, writeQueueNums: 1),
            TopicConfig(name: SystemTopic.schedule, readQueueNums: 18, writeQueueNums: 18),
            TopicConfig(name: configuration.clusterName + "_REPLY_TOPIC", readQueueNums: 1, writeQueueNums: 1),
        ]
        // The model is given by the configuration, not by what was saved: the learner may have switched it off.
        for topic in own where table.topics[topic.name] == nil || topic.name == SystemTopic.automaticModel {
            table.topics[topic.name] = topic
        }
    }

    subscript(name: String) -> TopicConfig? { table.topics[name] }

    /// The topics that clients may make by using them: a registration carries all of them in one frame of 16 MiB at most.
    static let clientLimit = 50_000

    /// Whether clients may make no more.
    var isFull: Bool { table.topics.count >= Self.clientLimit }

    /// What sending to a topic comes to.
    enum Resolution: Equatable {
        case known(TopicConfig)
        /// Another message made the topic a moment ago, and it is not saved yet.
        case saving(TopicConfig)
        /// The topic was made just now and has to be saved and registered.
        case created(TopicConfig)
        case missing
    }

    /// The topic for a message; makes it like `model`, with the client's queue count at most, if `model` allows.
    mutating func resolve(
        _ name: String, model: String, clientQueueNums: Int32, nowMilliseconds: Int64
    ) -> Resolution {
        if let known = known(name) { return known }
        if isFull { return .missing }
        if name.hasPrefix(SystemTopic.retryPrefix) {
            return .created(makeQueueTopic(name, queues: 1, nowMilliseconds: nowMilliseconds))
        }
        guard let parent = table.topics[model], parent.permission.contains(.inherit) else { return .missing }
        let queues = max(1, min(clientQueueNums, parent.writeQueueNums))
        let made = TopicConfig(
            name: name, readQueueNums: queues, writeQueueNums: queues,
            permission: parent.permission.subtracting(.inherit), sysFlag: parent.sysFlag)
        table.topics[name] = made
        unsaved.insert(name)
        table.dataVersion.advance(nowMilliseconds: nowMilliseconds)
        return .created(made)
    }

    /// A topic of a consumer group (retry, dead letters), made when it is missing.
    mutating func ensure(_ name: String, queues: Int32, nowMilliseconds: Int64) -> Resolution {
        if let known = known(name) { return known }
        if isFull { return .missing }
        return .created(makeQueueTopic(name, queues: queues, nowMilliseconds: nowMilliseconds))
    }

    private mutating func makeQueueTopic(_ name: String, queues: Int32, nowMilliseconds: Int64) -> TopicConfig {
        let made = TopicConfig(name: name, readQueueNums: queues, writeQueueNums: queues)
        table.topics[name] = made
        unsaved.insert(name)
        table.dataVersion.advance(nowMilliseconds: nowMilliseconds)
        return made
    }

    private func known(_ name: String) -> Resolution? {
        guard let known = table.topics[name] else { return nil }
        return !unsaved.isEmpty && unsaved.contains(name) ? .saving(known) : .known(known)
    }

    /// These are on the disk; or could not be brought there, and nobody waits for them any longer.
    mutating func didSave(_ names: Set<String>) { unsaved.subtract(names) }

    /// Makes or changes a topic by hand.
    mutating func put(_ topic: TopicConfig, nowMilliseconds: Int64) {
        table.topics[topic.name] = topic
        table.dataVersion.advance(nowMilliseconds: nowMilliseconds)
    }

    /// Takes over a master's table, with its version; gives the topics that are no more, and `nil` when nothing changed.
    mutating func replace(with other: TopicConfigTable) -> [String]? {
        guard table != other else { return nil }
        defer { table = other }
        return table.topics.keys.filter { other.topics[$0] == nil }.sorted()
    }

    /// Forgets a topic; says whether it was there.
    mutating func remove(_ name: String, nowMilliseconds: Int64) -> Bool {
        guard table.topics.removeValue(forKey: name) != nil else { return false }
        unsaved.remove(name)
        table.dataVersion.advance(nowMilliseconds: nowMilliseconds)
        return true
    }

    /// What nameservers are told: of each topic what the broker as a whole allows; no writing while the store takes no
    /// messages.
    func announced(isWritable: Bool, permission: TopicPermission) -> TopicConfigTable {
        var denied = TopicPermission.readWrite.subtracting(permission)
        if !isWritable { denied.insert(.write) }
        guard !denied.isEmpty else { return table }
        var announced = table
        for name in table.topics.keys { announced.topics[name]?.permission.subtract(denied) }
        return announced
    }

    /// Switches automatic topics on or off, with so many queues at most.
    mutating func setAutomatic(_ isAutomatic: Bool, queues: Int32, nowMilliseconds: Int64) {
        let permission: TopicPermission = isAutomatic ? [.readWrite, .inherit] : .readWrite
        put(
            TopicConfig(
                name: SystemTopic.automaticModel, readQueueNums: queues, writeQueueNums: queues,
                permission: permission),
            nowMilliseconds: nowMilliseconds)
    }

    /// Makes nameservers take the next registration for a new one.
    mutating func advanceVersion(nowMilliseconds: Int64) { table.dataVersion.advance(nowMilliseconds: nowMilliseconds) }
}

extension TopicTable.Resolution {
    var isCreated: Bool { if case .created = self { true } else { false } }
    var isSaving: Bool { if case .saving = self { true } else { false } }
}
