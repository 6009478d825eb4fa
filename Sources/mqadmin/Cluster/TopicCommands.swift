import ArgumentParser
import MQClient
import MQWire

/// `mqadmin topicList`
struct TopicList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topicList", abstract: "The topics that the nameserver knows.",
        discussion: """
            Examples:
              mqadmin topicList -n 127.0.0.1:9876
              mqadmin topicList -c
            """)

    @Flag(name: [.customShort("c"), .customLong("clusterModel")], help: "With their clusters and consumer groups.")
    var showsClusters = false
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            let names = try await admin.topicNames()
            if showsClusters { return try await show(names, admin) }
            if target.isForMachine { return print(JSONValue.array(names.map { .string($0) }).text) }
            for name in names { print(name) }
        }
    }

    private func show(_ names: [String], _ admin: MQAdmin) async throws(MQClientError) {
        var table = Columns("Cluster Name", "Topic", "Consumer Group")
        var rows: [JSONValue] = []
        for name in names {
            // One that is deleted meanwhile, or a name that is no topic's, has no route.
            guard let route = try? await admin.topicRoute(name) else { continue }
            let readers = try await admin.consumerGroups(ofTopic: name)
            for cluster in Set(route.brokers.values.map(\.cluster)).sorted() {
                for reader in readers.isEmpty ? [""] : readers { table.add(cluster, name, reader) }
                rows.append([
                    "cluster": .string(cluster), "topic": .string(name),
                    "groups": .array(readers.map { .string($0) }),
                ])
            }
        }
        print(target.isForMachine ? JSONValue.array(rows).text : table.description)
    }
}

/// `mqadmin topicRoute`
struct TopicRouteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topicRoute", abstract: "Where a topic's queues are.",
        discussion: """
            Examples:
              mqadmin topicRoute -t orders
              mqadmin topicRoute -t orders -l
            """)

    @Option(name: [.customShort("t"), .customLong("topic")], help: "The topic.")
    var topic: String
    @Flag(name: [.customShort("l"), .customLong("list")], help: "A line for each broker's queues, and their sums.")
    var isList = false
    @OptionGroup var target: AdminTarget

    /// As RocketMQ's tool lists it.
    private func list(_ route: TopicRoute) -> String {
        var table = Columns("ClusterName", "BrokerName", "BrokerAddrs", "ReadQueue", "WriteQueue", "Perm")
        for share in route.shares {
            let set = route.brokers[share.brokerName]
            let addresses = (set?.addresses ?? [:]).sorted { $0.key < $1.key }
            let permission = (share.readQueues > 0 ? 4 : 0) | (share.writeQueues > 0 ? 2 : 0)
            table.add(
                set?.cluster ?? "", share.brokerName,
                "{" + addresses.map { "\($0.key)=\($0.value)" }.joined(separator: ", ") + "}", "\(share.readQueues)",
                "\(share.writeQueues)", "\(permission)")
        }
        table.add(
            "Total:", "\(route.shares.count)", "", "\(route.shares.reduce(0) { $0 + $1.readQueues })",
            "\(route.shares.reduce(0) { $0 + $1.writeQueues })", "")
        return table.description
    }

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            let route = try await admin.topicRoute(topic)
            if isList, !target.isForMachine { return print(list(route)) }
            var table = Columns("Broker Name", "Read Queues", "Write Queues", "BID", "Addr")
            var rows: [JSONValue] = []
            for share in route.shares {
                for (id, address) in (route.brokers[share.brokerName]?.addresses ?? [:]).sorted(by: { $0.key < $1.key })
                {
                    table.add(
                        share.brokerName, "\(share.readQueues)", "\(share.writeQueues)", "\(id)", address)
                    rows.append([
                        "broker": .string(share.brokerName), "readQueues": .integer(Int64(share.readQueues)),
                        "writeQueues": .integer(Int64(share.writeQueues)), "brokerId": .integer(id),
                        "address": .string(address),
                    ])
                }
            }
            print(target.isForMachine ? JSONValue.array(rows).text : table.description)
        }
    }
}

/// `mqadmin topicStatus`
struct TopicStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topicStatus", abstract: "Where a topic's queues begin and end.",
        discussion: "Example: mqadmin topicStatus -t orders")

    @Option(name: [.customShort("t"), .customLong("topic")], help: "The topic.")
    var topic: String
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            var table = Columns("Broker Name", "QID", "Min Offset", "Max Offset", "Last Updated")
            var rows: [JSONValue] = []
            for one in try await admin.topicStatistics(topic) {
                table.add(
                    one.queue.brokerName, "\(one.queue.queueID)", "\(one.minimumOffset)", "\(one.maximumOffset)",
                    Moment.text(one.lastUpdate))
                rows.append([
                    "broker": .string(one.queue.brokerName), "queue": .integer(Int64(one.queue.queueID)),
                    "minOffset": .integer(one.minimumOffset), "maxOffset": .integer(one.maximumOffset),
                    "lastUpdate": .integer(one.lastUpdate),
                ])
            }
            print(target.isForMachine ? JSONValue.array(rows).text : table.description)
        }
    }
}

/// `mqadmin updateTopic`
struct UpdateTopic: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "updateTopic", abstract: "Creates a topic, or changes its queues.",
        discussion: """
            Examples:
              mqadmin updateTopic -c DefaultCluster -t orders -r 8 -w 8
              mqadmin updateTopic -b 127.0.0.1:10911 -t orders
            """)

    @Option(name: [.customShort("t"), .customLong("topic")], help: "The topic.")
    var topic: String
    @Option(name: [.customShort("c"), .customLong("clusterName")], help: "On every master of this cluster.")
    var cluster: String?
    @Option(name: [.customShort("b"), .customLong("brokerAddr")], help: "On this broker, host:port.")
    var broker: String?
    @Option(name: [.customShort("r"), .customLong("readQueueNums")], help: "Queues to read.")
    var readQueues: Int32 = 8
    @Option(name: [.customShort("w"), .customLong("writeQueueNums")], help: "Queues to write.")
    var writeQueues: Int32 = 8
    @Option(
        name: [.customShort("p"), .customLong("perm")], help: "What may be done: 2 to write, 4 to read, 6 for both.")
    var permission: Int32 = 6
    @Option(name: [.customShort("o"), .customLong("order")], help: "Whether its order is configured: true or false.")
    var isOrdered = false
    @Option(name: [.customShort("u"), .customLong("unit")], help: "Whether it belongs to one unit: true or false.")
    var isUnit = false
    @Option(
        name: [.customShort("s"), .customLong("hasUnitSub")], help: "Whether units subscribe to it: true or false.")
    var hasUnitReaders = false
    @OptionGroup var target: AdminTarget

    func validate() throws {
        guard (cluster == nil) != (broker == nil) else {
            throw ValidationError("name a cluster with -c, or one broker with -b")
        }
        guard [2, 4, 6].contains(permission) else {
            throw ValidationError("-p \(permission) is no permission (expected 2, 4 or 6)")
        }
    }

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            let addresses =
                if let broker { [broker] } else { try await admin.masters(ofCluster: cluster ?? "") }
            for address in addresses {
                try await admin.createTopic(
                    topic, readQueues: readQueues, writeQueues: writeQueues,
                    mayBeRead: permission & 4 != 0, mayBeWritten: permission & 2 != 0, isOrdered: isOrdered,
                    isUnit: isUnit, hasUnitReaders: hasUnitReaders, on: address)
            }
            let all = addresses.map { JSONValue.string($0) }
            print(
                target.isForMachine
                    ? JSONValue.array(all).text
                    : "topic \(topic) with \(readQueues) queues to read and \(writeQueues) to write on "
                        + addresses.joined(separator: ", "))
        }
    }
}

/// `mqadmin deleteTopic`
struct DeleteTopic: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deleteTopic", abstract: "Takes a topic from a cluster's brokers and from the nameservers.",
        discussion: "Example: mqadmin deleteTopic -c DefaultCluster -t orders")

    @Option(name: [.customShort("t"), .customLong("topic")], help: "The topic.")
    var topic: String
    @Option(name: [.customShort("c"), .customLong("clusterName")], help: "The cluster.")
    var cluster: String
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            // Who mistyped it must not believe that it is gone.
            _ = try await admin.masters(ofCluster: cluster)
            guard try await admin.topicNames().contains(topic) else {
                throw .invalid(reason: "no nameserver knows a topic '\(topic)' (mqadmin topicList names them)")
            }
            try await admin.deleteTopic(topic, inCluster: cluster)
            print(
                target.isForMachine
                    ? JSONValue.object([JSONMember("deleted", .string(topic))]).text
                    : "topic \(topic) is deleted from cluster \(cluster)")
        }
    }
}
