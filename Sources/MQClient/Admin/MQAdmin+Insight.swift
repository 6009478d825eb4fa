import MQWire
import NIOCore

/// Where one queue of a topic begins and ends on its broker.
public struct QueueStatistics: Sendable, Equatable {
    /// The queue.
    public let queue: MessageQueue
    /// The first message there is.
    public let minimumOffset: Int64
    /// One past the last message.
    public let maximumOffset: Int64
    /// When the last message was stored, in milliseconds since 1970; 0 when there is none.
    public let lastUpdate: Int64
}

/// How far a group is in one queue.
public struct QueueBacklog: Sendable, Equatable {
    /// The queue.
    public let queue: MessageQueue
    /// One past the last message.
    public let brokerOffset: Int64
    /// The next message that the group will be given.
    public let consumerOffset: Int64
    /// When the last message that was consumed was stored, in milliseconds since 1970; 0 when none was.
    public let lastTimestamp: Int64

    /// The messages that are still to come.
    public var difference: Int64 { brokerOffset - consumerOffset }
}

/// One client of a group.
public struct GroupConnection: Sendable, Equatable {
    /// The client's own name.
    public let clientID: String
    /// Its address as the broker sees it, `ip:port`.
    public let address: String
    /// Its language, in RocketMQ's words.
    public let language: String
    /// Its version, in RocketMQ's numbers.
    public let version: Int64
}

/// The members of a consumer group, and what they read.
public struct GroupMembers: Sendable, Equatable {
    /// The clients, by name.
    public let connections: [GroupConnection]
    /// The expression by topic.
    public let subscriptions: [String: String]
    /// `CLUSTERING` or `BROADCASTING`.
    public let messageModel: String
}

extension MQAdmin {
    /// The ends of a topic's queues, by queue, from every master that has it.
    public func topicStatistics(_ topic: String) async throws(MQClientError) -> [QueueStatistics] {
        let route = try await topicRoute(topic)
        var all: [QueueStatistics] = []
        for set in route.brokers.values.sorted(by: { $0.name < $1.name }) {
            guard let address = set.masterAddress else { continue }
            let answer = try await ask(.request(.getTopicStats, TopicRequestHeader(topic: topic)), of: address)
            let stats = try Self.read(answer, from: address) { body throws(BodyError) in
                try TopicStats(decoding: body)
            }
            all += stats.queues.map {
                QueueStatistics(
                    queue: MessageQueue($0.queue), minimumOffset: $0.minOffset, maximumOffset: $0.maxOffset,
                    lastUpdate: $0.lastUpdate)
            }
        }
        return all.sorted { $0.queue < $1.queue }
    }

    /// How far a group is, by queue, on every master there is.
    ///
    /// - Parameter group: the consumers' group.
    /// - Parameter topic: only this one; nil for all that the group reads.
    public func consumerProgress(_ group: String, topic: String? = nil) async throws(MQClientError) -> [QueueBacklog] {
        let header = ConsumeStatsRequestHeader(consumerGroup: group, topic: topic)
        var all: [QueueBacklog] = []
        for address in try await masterAddresses() {
            let answer = try await ask(.request(.getConsumeStats, header), of: address)
            let stats = try Self.read(answer, from: address) { body throws(BodyError) in
                try ConsumeStats(decoding: body)
            }
            all += stats.queues.map {
                QueueBacklog(
                    queue: MessageQueue($0.queue), brokerOffset: $0.brokerOffset, consumerOffset: $0.consumerOffset,
                    lastTimestamp: $0.lastTimestamp)
            }
        }
        return all.sorted { $0.queue < $1.queue }
    }

    /// The groups that have consumed something or tried to, by name: each has a topic for its retries.
    public func consumerGroups() async throws(MQClientError) -> [String] {
        try await topicNames().filter { $0.hasPrefix(Self.retryPrefix) }.map {
            String($0.dropFirst(Self.retryPrefix.count))
        }
    }

    /// The groups that have a place in a topic, on any master that has it, by name.
    public func consumerGroups(ofTopic topic: String) async throws(MQClientError) -> [String] {
        var groups: Set<String> = []
        for set in try await topicRoute(topic).brokers.values {
            guard let address = set.masterAddress else { continue }
            let answer = try await ask(
                .request(.queryTopicConsumeByWho, TopicRequestHeader(topic: topic)), of: address)
            let list = try Self.read(answer, from: address) { body throws(BodyError) in try GroupList(decoding: body) }
            groups.formUnion(list.groups)
        }
        return groups.sorted()
    }

    private static let retryPrefix = "%RETRY%"

    /// Who reads for a group, as the first master says that knows it; nil when none does.
    ///
    /// - Parameter broker: the address of the one broker that is asked; all masters in turn when `nil`.
    public func consumers(
        of group: String, on broker: String? = nil
    ) async throws(MQClientError) -> GroupMembers? {
        let addresses = if let broker { [broker] } else { try await masterAddresses() }
        for address in addresses {
            let request = RemotingCommand.request(
                .getConsumerConnectionList, ConsumerGroupRequestHeader(consumerGroup: group))
            let answer = try await client.call(request, to: address)
            if answer.responseCode == .consumerNotOnline { continue }
            guard answer.responseCode == .success else { throw MQClientError(refusal: answer, by: address) }
            return try Self.members(answer, from: address)
        }
        return nil
    }

    /// Which member of a group reads each queue now, by client id; a member that does not tell is left out.
    public func readers(of group: String) async throws(MQClientError) -> [MessageQueue: String] {
        var readers: [MessageQueue: String] = [:]
        for address in try await masterAddresses() {
            let request = RemotingCommand.request(
                .getConsumerConnectionList, ConsumerGroupRequestHeader(consumerGroup: group))
            let answer = try await client.call(request, to: address)
            guard answer.responseCode == .success else { continue }
            for member in try Self.members(answer, from: address).connections {
                let question = RemotingCommand.request(
                    .getConsumerRunningInfo,
                    ConsumerRunningInfoRequestHeader(consumerGroup: group, clientID: member.clientID))
                let info = try await client.call(question, to: address)
                guard info.responseCode == .success else { continue }
                let running = try Self.read(info, from: address) { body throws(BodyError) in
                    try ConsumerRunningInfo(decoding: body)
                }
                for one in running.queues { readers[MessageQueue(one.queue)] = member.clientID }
            }
        }
        return readers
    }

    /// What a broker tells of itself now, by name.
    public func runtimeInfo(of address: String) async throws(MQClientError) -> [String: String] {
        let answer = try await ask(.request(.getBrokerRuntimeInfo), of: address)
        return try Self.read(answer, from: address) { body throws(BodyError) in try TextTable(decoding: body) }.texts
    }

    /// A broker's settings, as its `.properties` would have them.
    public func configuration(of address: String) async throws(MQClientError) -> String {
        let answer = try await ask(.request(.getBrokerConfig), of: address)
        return answer.body.map { String(buffer: $0) } ?? ""
    }

    // MARK: Reading answers

    /// An answer that is no refusal.
    func ask(_ request: RemotingCommand, of address: String) async throws(MQClientError) -> RemotingCommand {
        let answer = try await client.call(request, to: address)
        guard answer.responseCode == .success else { throw MQClientError(refusal: answer, by: address) }
        return answer
    }

    /// The masters' addresses, by broker name.
    func masterAddresses() async throws(MQClientError) -> [String] {
        try await clusterInfo().brokers.values.sorted { $0.name < $1.name }.compactMap(\.masterAddress)
    }

    /// An answer's body; one that cannot be read is the answerer's mistake.
    static func read<Body>(
        _ answer: RemotingCommand, from address: String, _ decode: (ByteBuffer?) throws(BodyError) -> Body
    ) throws(MQClientError) -> Body {
        do throws(BodyError) {
            return try decode(answer.body)
        } catch {
            throw .unreadableAnswer(address: address, reason: "\(error)")
        }
    }

    private static func members(_ answer: RemotingCommand, from address: String) throws(MQClientError) -> GroupMembers {
        let group = try read(answer, from: address) { body throws(BodyError) in
            try ConsumerConnections(decoding: body)
        }
        let connections = group.connections.map {
            GroupConnection(clientID: $0.clientID, address: $0.address, language: $0.language, version: $0.version)
        }
        return GroupMembers(
            connections: connections.sorted { $0.clientID < $1.clientID },
            subscriptions: Dictionary(
                group.subscriptions.map { ($0.topic, $0.expression) }, uniquingKeysWith: { $1 }),
            messageModel: group.messageModel.rawValue)
    }
}

extension MessageQueue {
    init(_ queue: QueueIdentity) {
        self.init(topic: queue.topic, brokerName: queue.brokerName, queueID: queue.queueID)
    }
}
