import ArgumentParser
import MQClient
import MQWire

/// `mqadmin consumerProgress`
struct ConsumerProgress: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consumerProgress", abstract: "How far a group is, by queue, and how much is still to come.",
        discussion: """
            Without a group all of them are listed that have consumed something, or tried to.

            Example: mqadmin consumerProgress -g billing
            """)

    @Option(name: [.customShort("g"), .customLong("groupName")], help: "The consumer group.")
    var group: String?
    @Option(name: [.customShort("t"), .customLong("topic")], help: "Only this topic.")
    var topic: String?
    @Option(
        name: [.customShort("s"), .customLong("showClientIP")], help: "Which member reads each queue: true or false.")
    var showsReaders = false
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            guard let group else { return try await showAll(admin) }
            let backlog = try await admin.consumerProgress(group, topic: topic)
            // A monitor with a typo must not look healthy.
            if backlog.isEmpty, !(try await admin.consumerGroups().contains(group)) {
                throw .invalid(reason: "no broker knows a group '\(group)' (mqadmin consumerProgress names them)")
            }
            let readers = showsReaders ? try await admin.readers(of: group) : [:]
            var table =
                showsReaders
                ? Columns(
                    "Topic", "Broker Name", "QID", "Broker Offset", "Consumer Offset", "Client IP", "Diff", "LastTime")
                : Columns("Topic", "Broker Name", "QID", "Broker Offset", "Consumer Offset", "Diff", "LastTime")
            var rows: [JSONValue] = []
            for one in backlog {
                let reader = showsReaders ? [readers[one.queue] ?? "-"] : []
                table.add(
                    [
                        one.queue.topic, one.queue.brokerName, "\(one.queue.queueID)", "\(one.brokerOffset)",
                        "\(one.consumerOffset)",
                    ] + reader + ["\(one.difference)", Moment.text(one.lastTimestamp)])
                rows.append([
                    "topic": .string(one.queue.topic), "broker": .string(one.queue.brokerName),
                    "queue": .integer(Int64(one.queue.queueID)), "brokerOffset": .integer(one.brokerOffset),
                    "consumerOffset": .integer(one.consumerOffset), "diff": .integer(one.difference),
                    "lastTimestamp": .integer(one.lastTimestamp),
                    "clientId": readers[one.queue].map { .string($0) } ?? .null,
                ])
            }
            if target.isForMachine { return print(JSONValue.array(rows).text) }
            print(table)
            print("\nDiff Total: \(backlog.reduce(0) { $0 + $1.difference })")
        }
    }

    /// One line for each group: who is there, and how much is still to come.
    private func showAll(_ admin: MQAdmin) async throws(MQClientError) {
        var table = Columns("Group", "Count", "Model", "Diff Total")
        var rows: [JSONValue] = []
        for group in try await admin.consumerGroups() {
            let members = try await admin.consumers(of: group)
            let difference = try await admin.consumerProgress(group, topic: topic).reduce(0) { $0 + $1.difference }
            let count = members?.connections.count ?? 0
            table.add(group, "\(count)", members?.messageModel ?? "OFFLINE", "\(difference)")
            rows.append([
                "group": .string(group), "members": .integer(Int64(count)),
                "model": .string(members?.messageModel ?? "OFFLINE"), "diff": .integer(difference),
            ])
        }
        print(target.isForMachine ? JSONValue.array(rows).text : table.description)
    }
}

/// `mqadmin consumerConnection`
struct ConsumerConnection: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consumerConnection", abstract: "Who reads for a group, and what.",
        discussion: "Example: mqadmin consumerConnection -g billing")

    @Option(name: [.customShort("g"), .customLong("consumerGroup")], help: "The consumer group.")
    var group: String
    @Option(name: [.customShort("b"), .customLong("brokerAddr")], help: "As this broker knows it, host:port.")
    var broker: String?
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            guard let members = try await admin.consumers(of: group, on: broker) else {
                throw .invalid(reason: "nobody of group '\(group)' is online")
            }
            if target.isForMachine {
                return print(
                    JSONValue.object([
                        JSONMember(
                            "connections",
                            .array(
                                members.connections.map {
                                    [
                                        "clientId": .string($0.clientID), "address": .string($0.address),
                                        "language": .string($0.language), "version": .integer($0.version),
                                    ]
                                })),
                        JSONMember("messageModel", .string(members.messageModel)),
                        JSONMember(
                            "subscriptions",
                            .object(
                                members.subscriptions.sorted { $0.key < $1.key }
                                    .map { JSONMember($0.key, .string($0.value)) })),
                    ]).text)
            }
            var table = Columns("ClientId", "ClientAddr", "Language", "Version")
            for one in members.connections { table.add(one.clientID, one.address, one.language, "\(one.version)") }
            print(table)
            print("\nMessageModel: \(members.messageModel)")
            for (topic, expression) in members.subscriptions.sorted(by: { $0.key < $1.key }) {
                print("Subscription: \(topic) \(expression)")
            }
        }
    }
}

/// `mqadmin resetOffsetByTime`
struct ResetOffsetByTime: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resetOffsetByTime", abstract: "Sets a group to a time, whether its members are online or not.",
        discussion: """
            Examples:
              mqadmin resetOffsetByTime -g billing -t orders -s 2026-11-23#08:30:00:000
              mqadmin resetOffsetByTime -g billing -t orders -s -1             on, to the end
              mqadmin resetOffsetByTime -g billing -t orders -s now -f false   back, where it is further
            """)

    @Option(name: [.customShort("g"), .customLong("group")], help: "The consumer group.")
    var group: String
    @Option(name: [.customShort("t"), .customLong("topic")], help: "The topic.")
    var topic: String
    @Option(
        name: [.customShort("s"), .customLong("timestamp")], parsing: .unconditional,
        help: "The time: \(Moment.accepted); -1 for the end.", transform: Moment.millisecondsOrEnd)
    var timestamp: Int64
    @Option(
        name: [.customShort("f"), .customLong("force")],
        help: "Whether the group may be moved on, too: true or false.")
    var isForced = true
    @Flag(
        name: [.customShort("c"), .customLong("cplus")],
        help: "The members are native ones; our brokers know that by themselves.")
    var isNative = false
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            let places = try await admin.resetOffsets(of: group, topic: topic, to: timestamp, isForced: isForced)
            var table = Columns("Broker Name", "QID", "Offset")
            var rows: [JSONValue] = []
            for (queue, offset) in places {
                table.add(queue.brokerName, "\(queue.queueID)", "\(offset)")
                rows.append([
                    "broker": .string(queue.brokerName), "queue": .integer(Int64(queue.queueID)),
                    "offset": .integer(offset),
                ])
            }
            print(target.isForMachine ? JSONValue.array(rows).text : table.description)
        }
    }
}
