import ArgumentParser
import MQClient
import MQWire

/// Which brokers a command asks or changes: one, or the masters of a cluster.
struct BrokerChoice: ParsableArguments {
    @Option(name: [.customShort("b"), .customLong("brokerAddr")], help: "One broker, host:port.")
    var broker: String?
    @Option(name: [.customShort("c"), .customLong("clusterName")], help: "All masters of a cluster.")
    var cluster: String?

    func validate() throws {
        guard (broker == nil) != (cluster == nil) else {
            throw ValidationError("which brokers? (expected either -b host:port or -c cluster)")
        }
    }

    func addresses(_ admin: MQAdmin) async throws(MQClientError) -> [String] {
        if let broker { return [broker] }
        return try await admin.masters(ofCluster: cluster ?? "")
    }

    /// Shows names and values of each: of one broker alone, of a cluster's under their addresses.
    func show(
        _ admin: MQAdmin, json: Bool, _ values: (String) async throws(MQClientError) -> [(String, String)],
        text: ([(String, String)]) -> [String]
    ) async throws(MQClientError) {
        var objects: [JSONMember] = []
        for (index, address) in try await addresses(admin).enumerated() {
            let values = try await values(address)
            if json {
                objects.append(
                    JSONMember(address, .object(values.map { JSONMember($0.0, .string($0.1)) })))
                continue
            }
            if cluster != nil { print("\(index == 0 ? "" : "\n")# \(address)") }
            for line in text(values) { print(line) }
        }
        guard json else { return }
        print(cluster == nil ? objects.first?.value.text ?? "{}" : JSONValue.object(objects).text)
    }
}

/// `mqadmin updateBrokerConfig`
struct UpdateBrokerConfig: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "updateBrokerConfig", abstract: "Changes a broker's setting while it runs.",
        discussion: """
            It lasts until the broker ends; what shall stay belongs into its .properties file, too.

            Example: mqadmin updateBrokerConfig -b 127.0.0.1:10911 -k brokerPermission -v 4
            """)

    @OptionGroup var choice: BrokerChoice
    @Option(name: [.customShort("k"), .customLong("key")], help: "The setting.")
    var key: String
    @Option(name: [.customShort("v"), .customLong("value")], help: "Its value.")
    var value: String
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            for address in try await choice.addresses(admin) {
                try await admin.updateConfiguration(of: address, key: key, value: value)
                let words: JSONValue = ["broker": .string(address), "key": .string(key), "value": .string(value)]
                print(target.isForMachine ? words.text : "\(address): \(key)=\(value), until it ends")
            }
        }
    }
}

/// `mqadmin updateSubGroup`
struct UpdateSubscriptionGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "updateSubGroup", abstract: "Makes a consumer group, or changes it.",
        discussion: """
            What is not given gets its default.

            Example: mqadmin updateSubGroup -c DefaultCluster -g billing -r 3
            """)

    @OptionGroup var choice: BrokerChoice
    @Option(name: [.customShort("g"), .customLong("groupName")], help: "The group.")
    var group: String
    @Option(name: [.customShort("s"), .customLong("consumeEnable")], help: "Whether it may consume: true or false.")
    var mayConsume = true
    @Option(
        name: [.customShort("m"), .customLong("consumeFromMinEnable")],
        help: "Whether it may begin at a queue's first message: true or false.")
    var mayStartAtMinimum = true
    @Option(
        name: [.customShort("d"), .customLong("consumeBroadcastEnable")],
        help: "Whether it may broadcast: true or false.")
    var mayBroadcast = true
    @Option(name: [.customShort("q"), .customLong("retryQueueNums")], help: "The queues of its retry topic.")
    var retryQueues: Int32 = 1
    @Option(name: [.customShort("r"), .customLong("retryMaxTimes")], help: "Tries before a message is a dead letter.")
    var retryMaximum: Int32 = 16
    @Option(name: [.customShort("i"), .customLong("brokerId")], help: "The broker of a set to read from.")
    var brokerID: Int64 = 0
    @Option(
        name: [.customShort("w"), .customLong("whichBrokerWhenConsumeSlowly")],
        help: "The broker of a set to read from when the group lags.")
    var slowBrokerID: Int64 = 1
    @Option(
        name: [.customShort("a"), .customLong("notifyConsumerIdsChanged")],
        help: "Whether members hear of changes: true or false.")
    var notifiesMembers = true
    @OptionGroup var target: AdminTarget

    func run() async throws {
        let settings = ConsumerGroupSettings(
            group: group, mayConsume: mayConsume, mayStartAtMinimum: mayStartAtMinimum, mayBroadcast: mayBroadcast,
            retryQueues: retryQueues, retryMaximum: retryMaximum, brokerID: brokerID, slowBrokerID: slowBrokerID,
            notifiesMembers: notifiesMembers)
        try await target.run { (admin, _) async throws(MQClientError) in
            for address in try await choice.addresses(admin) {
                try await admin.updateGroup(settings, on: address)
                let words: JSONValue = ["broker": .string(address), "group": .string(group)]
                print(target.isForMachine ? words.text : "\(address): group \(group) is as asked")
            }
        }
    }
}

/// `mqadmin switchMaster`
struct SwitchMaster: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "switchMaster", abstract: "Has another broker of a group be its master.",
        discussion: """
            The master stores nothing more until the other has all of its log, then leaves it its place: nothing is lost. It
            needs a failoverPolicy.

            Example: mqadmin switchMaster -n 127.0.0.1:9876 --broker-name broker-a --to 2
            """)

    @Option(name: .customLong("broker-name"), help: "The group: its brokers' brokerName.")
    var name: String
    @Option(name: .customLong("to"), help: "The brokerId of the one that is to be the master, as its file has it.")
    var heir: Int64
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            try await admin.switchMaster(ofBroker: name, to: heir)
            if target.isForMachine {
                print(JSONValue.object([JSONMember("master", .integer(heir))]).text)
            } else {
                print("broker \(heir) of \(name) becomes the master")
            }
        }
    }
}
