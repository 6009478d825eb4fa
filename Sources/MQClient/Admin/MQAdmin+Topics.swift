import MQWire
import NIOCore

extension MQAdmin {
    /// The names of all topics that the nameserver knows, by name.
    public func topicNames() async throws(MQClientError) -> [String] {
        let answer = try await client.askNameserver(.request(.getAllTopicsFromNameserver))
        guard answer.responseCode == .success else { throw MQClientError(refusal: answer, by: "nameserver") }
        return try Self.read(answer, from: "nameserver") { body throws(BodyError) in
            try TopicList(decoding: body)
        }.topics.sorted()
    }

    /// Creates or changes a topic on every master of a cluster; gives their addresses.
    public func createTopic(
        _ name: String, readQueues: Int32, writeQueues: Int32, inCluster cluster: String
    ) async throws(MQClientError) -> [String] {
        let addresses = try await masters(ofCluster: cluster)
        for address in addresses {
            try await createTopic(name, readQueues: readQueues, writeQueues: writeQueues, on: address)
        }
        return addresses
    }

    /// Takes a topic from every master of a cluster, and then from every nameserver.
    public func deleteTopic(_ name: String, inCluster cluster: String) async throws(MQClientError) {
        for address in try await masters(ofCluster: cluster) {
            _ = try await ask(.request(.deleteTopicInBroker, TopicRequestHeader(topic: name)), of: address)
        }
        let request = RemotingCommand.request(.deleteTopicInNameserver, TopicRequestHeader(topic: name))
        for nameserver in client.configuration.nameservers { _ = try await ask(request, of: nameserver) }
    }

    /// Takes the write permission from all topics of a broker, at every nameserver; gives how many each changed.
    public func wipeWritePermission(ofBroker name: String) async throws(MQClientError) -> [(String, Int64)] {
        try await changePermission(.wipeWritePermission, ofBroker: name, countField: "wipeTopicCount")
    }

    /// Has another broker of a group be its master, and nothing lost: the one that is the master stores nothing more until the other
    /// has all of it, then leaves it its place.
    ///
    /// - Parameter id: the `brokerId` of the one that is to be the master, as its file has it.
    public func switchMaster(ofBroker name: String, to id: Int64) async throws(MQClientError) {
        guard let set = try await clusterInfo().brokers[name] else {
            throw .invalid(reason: "no nameserver knows a broker '\(name)' (mqadmin clusterList names them)")
        }
        guard let master = set.masterAddress else {
            throw .invalid(reason: "the brokers '\(name)' have no master at this moment")
        }
        _ = try await ask(.request(.switchMaster, SwitchMasterRequestHeader(replicaID: id)), of: master)
    }

    /// Gives the write permission back to all topics of a broker, at every nameserver; gives how many each changed.
    public func addWritePermission(ofBroker name: String) async throws(MQClientError) -> [(String, Int64)] {
        try await changePermission(.addWritePermission, ofBroker: name, countField: "addTopicCount")
    }

    private func changePermission(
        _ code: RequestCode, ofBroker name: String, countField: String
    ) async throws(MQClientError) -> [(String, Int64)] {
        // The nameservers' answer for a name that nobody has is a success with no topic.
        guard try await clusterInfo().brokers[name] != nil else {
            throw .invalid(reason: "no nameserver knows a broker '\(name)' (mqadmin clusterList names them)")
        }
        var changed: [(String, Int64)] = []
        for nameserver in client.configuration.nameservers {
            let answer = try await ask(.request(code, BrokerNameRequestHeader(brokerName: name)), of: nameserver)
            changed.append((nameserver, answer.extFields[countField].flatMap { Int64($0) } ?? 0))
        }
        return changed
    }

    /// Sets a group's place in a topic back to a time, in milliseconds since 1970 (-1: to the end), on every master that
    /// has the topic; gives the new places.
    ///
    /// Members that are online are told, and set themselves; where there are none, the group's offsets are set.
    /// - Parameter group: the consumers' group.
    /// - Parameter topic: the topic.
    /// - Parameter timestamp: the time, or -1.
    /// - Parameter isForced: whether the group may be moved on, too.
    public func resetOffsets(
        of group: String, topic: String, to timestamp: Int64, isForced: Bool = false
    ) async throws(MQClientError) -> [(MessageQueue, Int64)] {
        let header = ResetOffsetRequestHeader(topic: topic, group: group, timestamp: timestamp, isForced: isForced)
        var places: [(MessageQueue, Int64)] = []
        for set in try await topicRoute(topic).brokers.values.sorted(by: { $0.name < $1.name }) {
            guard let address = set.masterAddress else { continue }
            do throws(MQClientError) {
                let answer = try await ask(.request(.invokeBrokerToResetOffset, header), of: address)
                let table = try Self.read(answer, from: address) { body throws(BodyError) in
                    try QueueTable(decoding: body)
                }
                places += table.entries.map { (MessageQueue($0.queue), $0.value.integerValue ?? 0) }
            } catch .refused(_, ResponseCode.consumerNotOnline.rawValue, _) {
                places += try await setOffsets(of: header, at: set.name)
            }
        }
        return places.sorted { $0.0 < $1.0 }
    }

    /// Sets the offsets of a group without members, as its broker would. Source: RocketMQ 4.9, `resetOffsetByTimestampOld`.
    private func setOffsets(
        of header: ResetOffsetRequestHeader, at brokerName: String
    ) async throws(MQClientError) -> [(MessageQueue, Int64)] {
        let group = PullConsumer(member: header.group, client: client)
        let queues = try await client.subscribeRoute(of: header.topic).readableQueues
        var places: [(MessageQueue, Int64)] = []
        for queue in queues where queue.brokerName == brokerName {
            let found =
                header.timestamp == -1
                ? try await group.maxOffset(of: queue) : try await group.offset(of: queue, atTime: header.timestamp)
            let committed = try await group.committedOffset(of: queue)
            var place = max(0, found)
            if !header.isForced, let committed { place = min(place, committed) }
            if place != committed { try await group.commit(place, for: queue) }
            places.append((queue, place))
        }
        return places
    }

    /// Changes one of a broker's settings while it runs, until it ends; the broker says which of them can be.
    public func updateConfiguration(
        of broker: String, key: String, value: String
    ) async throws(MQClientError) {
        guard !(key + value).contains(where: \.isNewline), !key.isEmpty else {
            throw .invalid(reason: "'\(key)=\(value)' is no setting (expected one line key=value)")
        }
        // A value is taken by its letters: a backslash would begin an escape.
        let text =
            "\(key)=\(value.split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\\\"))\n"
        _ = try await ask(.request(.updateBrokerConfig, body: ByteBuffer(string: text)), of: broker)
    }

    /// Makes a consumer group on a broker, or changes what the broker knows of it.
    public func updateGroup(_ group: ConsumerGroupSettings, on broker: String) async throws(MQClientError) {
        _ = try await ask(
            .request(.updateAndCreateSubscriptionGroup, body: group.wire.encoded()), of: broker)
    }

    /// The masters of a cluster, `host:port` each; refuses a cluster that no nameserver knows.
    public func masters(ofCluster cluster: String) async throws(MQClientError) -> [String] {
        let info = try await clusterInfo()
        guard let names = info.clusters[cluster] else {
            let known = info.clusters.keys.sorted().joined(separator: ", ")
            throw .invalid(reason: "no cluster '\(cluster)'; there is \(known.isEmpty ? "none" : known)")
        }
        return names.sorted().compactMap { info.brokers[$0]?.masterAddress }
    }
}
