import MQTransport
public import MQWire
import NIOCore

/// All that a nameserver knows and how it answers: a value, so that every request is tested without a socket.
public struct NameserverRequests: Sendable {
    /// Something worth a log line or an effect that came of a request.
    public enum Event: Sendable, Equatable {
        /// A broker was heard of for the first time.
        case brokerJoined(address: String, name: String)
        /// A broker said goodbye.
        case brokerLeft(address: String, name: String)
        /// The key-value store changed: save it before the answer goes out.
        case keyValuesChanged(KeyValueStore)
        /// Settings changed.
        case settingsChanged(NameserverConfiguration)
    }

    /// The routes.
    public private(set) var routes = RouteTable()
    private var keyValues: KeyValueStore
    private var configuration: NameserverConfiguration

    /// Without routes; with the key-value store that was saved, if one was.
    public init(configuration: NameserverConfiguration = NameserverConfiguration(), savedKeyValues: JSONValue? = nil) {
        self.configuration = configuration
        keyValues = savedKeyValues.map { KeyValueStore(json: $0) } ?? KeyValueStore()
    }

    /// Who carries a request out.
    enum Worker: Sendable, Equatable {
        /// The event loop: a look-up in memory, or a refusal.
        case loop
        /// The thread that changes the tables: all that brokers and operators say, in their order.
        case tables
        /// The thread of long answers, from a picture of the tables.
        case lists
    }

    /// Who carries this request out. A broker's table has up to 16 MiB, and a list of topics too: neither may hold up the
    /// routes of others.
    static func worker(of request: RemotingCommand) -> Worker {
        switch request.requestCode {
        case .registerBroker, .queryDataVersion, .unregisterBroker, .deleteTopicInNameserver, .wipeWritePermission,
            .addWritePermission, .putKVConfig, .getKVConfig, .deleteKVConfig, .updateNamesrvConfig, .getNamesrvConfig:
            .tables
        case .getBrokerClusterInfo, .getAllTopicsFromNameserver, .getTopicsByCluster, .getSystemTopicsFromNameserver,
            .getKVListByNamespace, .getUnitTopicList, .getHasUnitSubTopicList, .getHasUnitSubUnunitTopicList:
            .lists
        default: .loop
        }
    }

    /// A request whose body, where reading it takes long, is read: that needs no table.
    struct Prepared: Sendable {
        let request: RemotingCommand
        fileprivate let registration: Result<TopicConfigTable, any Error>?

        init(_ request: RemotingCommand) {
            self.request = request
            registration =
                request.requestCode == .registerBroker ? Result { try NameserverRequests.table(of: request) } : nil
        }
    }

    /// Answers one request. A malformed one is refused with a remark that names the field.
    public mutating func answer(
        _ request: RemotingCommand, connection: UInt64, now: ContinuousClock.Instant
    ) -> (response: RemotingCommand, event: Event?) {
        answer(Prepared(request), connection: connection, now: now)
    }

    mutating func answer(
        _ prepared: Prepared, connection: UInt64, now: ContinuousClock.Instant
    ) -> (response: RemotingCommand, event: Event?) {
        let request = prepared.request
        do {
            if let table = prepared.registration {
                return try register(request, table: table.get(), connection: connection, now: now)
            }
            return try answerWellFormed(request, connection: connection, now: now)
        } catch {
            return (request.response(.systemError, remark: "\(request.requestCode): \(error)"), nil)
        }
    }

    /// A connection has closed.
    public mutating func connectionClosed(_ connection: UInt64) -> [RouteTable.Departure] {
        routes.connectionClosed(connection)
    }

    /// The periodic scan.
    public mutating func expire(after expiry: Duration, now: ContinuousClock.Instant) -> [RouteTable.Departure] {
        routes.expire(after: expiry, now: now)
    }

    private mutating func answerWellFormed(
        _ request: RemotingCommand, connection: UInt64, now: ContinuousClock.Instant
    ) throws -> (RemotingCommand, Event?) {
        switch request.requestCode {
        case .getRouteByTopic: return (try route(request), nil)
        case .queryDataVersion: return (try queryDataVersion(request, connection: connection, now: now), nil)
        case .unregisterBroker:
            let header = try request.header(UnregisterBrokerRequestHeader.self)
            let gone = routes.unregister(header)
            return (request.response(), gone.map { .brokerLeft(address: $0.brokerAddress, name: $0.brokerName) })
        case .getBrokerClusterInfo: return (request.response(body: routes.clusterInfo.encoded()), nil)
        case .getAllTopicsFromNameserver:
            return (request.response(body: TopicList(topics: routes.topicNames).encoded()), nil)
        case .getTopicsByCluster:
            let cluster = try request.extFields.required("cluster")
            return (request.response(body: TopicList(topics: routes.topicNames(inCluster: cluster)).encoded()), nil)
        case .getSystemTopicsFromNameserver:
            let info = routes.clusterInfo
            let names = Set(info.clusters.keys).union(info.brokers.keys).sorted()
            // Tools ask a broker for the rest, and ask nobody when none is named.
            let broker = info.brokers.min { $0.key < $1.key }?.value.addresses.min { $0.key < $1.key }?.value
            return (request.response(body: TopicList(topics: names, brokerAddress: broker).encoded()), nil)
        case .deleteTopicInNameserver:
            let header = try request.header(TopicRequestHeader.self)
            let cluster = request.extFields["clusterName"].flatMap { $0.isEmpty ? nil : $0 }
            routes.deleteTopic(header.topic, cluster: cluster)
            return (request.response(), nil)
        case .wipeWritePermission: return (try setWritable(false, request, countField: "wipeTopicCount"), nil)
        case .addWritePermission: return (try setWritable(true, request, countField: "addTopicCount"), nil)
        case .putKVConfig, .getKVConfig, .deleteKVConfig: return try keyValue(request)
        case .getKVListByNamespace: return (try keyValues(request), nil)
        case .getUnitTopicList: return (topicList(request, flags: Self.unitFlag), nil)
        case .getHasUnitSubTopicList: return (topicList(request, flags: Self.unitSubscriptionFlag), nil)
        case .getHasUnitSubUnunitTopicList:
            return (topicList(request, flags: Self.unitSubscriptionFlag, without: Self.unitFlag), nil)
        case .getNamesrvConfig:
            return (request.response(body: ByteBuffer(string: configuration.text)), nil)
        case .updateNamesrvConfig: return try updateConfiguration(request)
        default: return (request.notSupported(), nil)
        }
    }

    /// Bits of a topic's system flag. Source: RocketMQ 4.9 `TopicSysFlag`.
    private static let unitFlag: Int32 = 1
    private static let unitSubscriptionFlag: Int32 = 2

    private func topicList(_ request: RemotingCommand, flags: Int32, without other: Int32 = 0) -> RemotingCommand {
        request.response(body: TopicList(topics: routes.topicNames(withFlags: flags, without: other)).encoded())
    }

    private mutating func updateConfiguration(
        _ request: RemotingCommand
    ) throws(ConfigurationError) -> (RemotingCommand, Event?) {
        guard let body = request.body else { return (request.response(), nil) }
        let entries = try PropertiesFile(text: String(buffer: body), name: "the request").entries
        if let path = entries.first(where: { NameserverConfiguration.pathKeys.contains($0.key) }) {
            return (request.response(.noPermission, remark: "Can not update config path (\(path.key))"), nil)
        }
        try configuration.change(entries)
        return (request.response(), .settingsChanged(configuration))
    }

    private func route(_ request: RemotingCommand) throws(HeaderError) -> RemotingCommand {
        let topic = try request.header(TopicRequestHeader.self).topic
        guard var route = routes.route(of: topic) else {
            return request.response(
                .topicNotExist, remark: "No topic route info in name server for the topic: \(topic)")
        }
        if configuration.orderMessages {
            route.orderTopicConfiguration = keyValues.value(for: topic, in: Self.orderNamespace)
        }
        return request.response(body: route.encoded())
    }

    /// The topics that a registration brings.
    private static func table(of request: RemotingCommand) throws -> TopicConfigTable {
        let header = try request.header(RegisterBrokerRequestHeader.self)
        guard let body = request.body else { return TopicConfigTable() }
        if let expected = header.bodyCRC32, expected != 0 {
            let actual = Int32(bitPattern: BodyChecksum.body(body))
            guard actual == expected else {
                throw BodyError(
                    body: "RegisterBrokerBody", reason: "crc32 not match: the body has \(actual), not \(expected)")
            }
        }
        return header.compressed
            ? try RegisterBrokerBody(compressed: body).table : try RegisterBrokerBody(decoding: body).table
    }

    private mutating func register(
        _ request: RemotingCommand, table: TopicConfigTable, connection: UInt64, now: ContinuousClock.Instant
    ) throws -> (RemotingCommand, Event?) {
        let header = try request.header(RegisterBrokerRequestHeader.self)
        let registration = try routes.register(header, table: table, connection: connection, now: now)
        let answer = RegisterBrokerResponseHeader(
            haServerAddress: registration.haServerAddress, masterAddress: registration.masterAddress)
        let event: Event? =
            registration.isNew ? .brokerJoined(address: header.brokerAddress, name: header.brokerName) : nil
        // Brokers are told which topics have an order, as RocketMQ's tells them.
        let orders = keyValues.entries(in: Self.orderNamespace)
        return (request.response(.success, answer, body: orders.isEmpty ? nil : TextTable(orders).encoded()), event)
    }

    /// Where topics' orders are kept.
    private static let orderNamespace = "ORDER_TOPIC_CONFIG"

    private mutating func queryDataVersion(
        _ request: RemotingCommand, connection: UInt64, now: ContinuousClock.Instant
    ) throws -> RemotingCommand {
        let header = try request.header(QueryDataVersionRequestHeader.self)
        let version = try DataVersion(decoding: request.body)
        let (isChanged, known) = routes.query(version, of: header.brokerAddress, connection: connection, now: now)
        return request.response(
            .success, QueryDataVersionResponseHeader(changed: isChanged), body: known?.encoded())
    }

    private mutating func setWritable(
        _ isWritable: Bool, _ request: RemotingCommand, countField: String
    ) throws(HeaderError) -> RemotingCommand {
        let name = try request.header(BrokerNameRequestHeader.self).brokerName
        let count = routes.setWritable(isWritable, brokerName: name)
        return request.response(extFields: [countField: String(count)])
    }

    private func keyValues(_ request: RemotingCommand) throws(HeaderError) -> RemotingCommand {
        let namespace = try request.extFields.required("namespace")
        let entries = keyValues.entries(in: namespace)
        guard !entries.isEmpty else {
            return request.response(.queryNotFound, remark: "No config item, Namespace: \(namespace)")
        }
        return request.response(body: TextTable(entries).encoded())
    }

    private mutating func keyValue(_ request: RemotingCommand) throws(HeaderError) -> (RemotingCommand, Event?) {
        let header = try request.header(KeyValueRequestHeader.self)
        switch request.requestCode {
        case .putKVConfig:
            let value = try request.extFields.required("value")
            if let objection = keyValues.put(value, for: header.key, in: header.namespace) {
                return (request.response(.systemError, remark: objection), nil)
            }
            return (request.response(), .keyValuesChanged(keyValues))
        case .getKVConfig:
            guard let value = keyValues.value(for: header.key, in: header.namespace) else {
                return (
                    request.response(
                        .queryNotFound, remark: "No config item, Namespace: \(header.namespace) Key: \(header.key)"),
                    nil
                )
            }
            return (request.response(.success, KeyValueResponseHeader(value: value)), nil)
        default:
            let isChanged = keyValues.delete(header.key, in: header.namespace)
            return (request.response(), isChanged ? .keyValuesChanged(keyValues) : nil)
        }
    }
}
