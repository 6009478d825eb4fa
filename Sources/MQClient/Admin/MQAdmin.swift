import MQWire

/// The picture of all clusters that a nameserver has.
public struct ClusterOverview: Sendable, Equatable {
    /// The broker sets by name.
    public let brokers: [String: BrokerSet]
    /// Names of broker sets by cluster.
    public let clusters: [String: [String]]
}

/// Administration: topics, routes, clusters.
public struct MQAdmin: Sendable {
    let client: MQConnection

    /// Administration through a client's connections.
    public init(client: MQConnection) { self.client = client }

    /// Creates a topic on one broker, or changes its queue counts.
    ///
    /// The broker tells the nameservers; their routes have it a moment later, see ``topicRoute(_:)``.
    ///
    /// - Parameter isOrdered: whether its order is configured; such a topic is not sent to a broker that lacks the write
    ///   permission.
    /// - Parameter isUnit: whether it belongs to one unit of several (RocketMQ's unit mode).
    /// - Parameter hasUnitReaders: whether readers of units subscribe to it.
    public func createTopic(
        _ name: String, readQueues: Int32, writeQueues: Int32, mayBeRead: Bool = true, mayBeWritten: Bool = true,
        isOrdered: Bool = false, isUnit: Bool = false, hasUnitReaders: Bool = false, on brokerAddress: String
    ) async throws(MQClientError) {
        var permission: TopicPermission = []
        if mayBeRead { permission.insert(.read) }
        if mayBeWritten { permission.insert(.write) }
        let header = CreateTopicRequestHeader(
            topic: name, readQueueNums: readQueues, writeQueueNums: writeQueues, perm: permission.rawValue,
            topicSysFlag: (isUnit ? 1 : 0) | (hasUnitReaders ? 2 : 0), order: isOrdered)
        let answer = try await client.call(.request(.updateAndCreateTopic, header), to: brokerAddress)
        guard answer.responseCode == .success else { throw MQClientError(refusal: answer, by: brokerAddress) }
    }

    /// Where a topic's queues are, asked anew; throws ``MQClientError/topicNotFound(topic:)`` when nowhere, and
    /// ``MQClientError/brokersGone(topic:reason:)`` when no broker is there that could have it.
    public func topicRoute(_ name: String) async throws(MQClientError) -> TopicRoute {
        do throws(MQClientError) {
            return try await client.queryRoute(of: name)
        } catch .topicNotFound {
            throw await client.whyMissing(name)
        }
    }

    /// All broker sets and clusters that the nameserver knows.
    public func clusterInfo() async throws(MQClientError) -> ClusterOverview {
        try Self.overview(try await client.askNameserver(.request(.getBrokerClusterInfo)))
    }

    /// The same as one nameserver has it: they know nothing of each other.
    public func clusterInfo(of nameserver: String) async throws(MQClientError) -> ClusterOverview {
        try Self.overview(try await client.call(.request(.getBrokerClusterInfo), to: nameserver))
    }

    private static func overview(_ answer: RemotingCommand) throws(MQClientError) -> ClusterOverview {
        guard answer.responseCode == .success else {
            throw .noNameserver(reason: "\(answer.responseCode): \(answer.remark ?? "")")
        }
        do throws(BodyError) {
            let info = try ClusterInfo(decoding: answer.body)
            return ClusterOverview(brokers: info.brokers.mapValues { BrokerSet($0) }, clusters: info.clusters)
        } catch {
            throw .noNameserver(reason: "the cluster picture cannot be read: \(error)")
        }
    }
}
