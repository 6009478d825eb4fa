import ArgumentParser
import MQClient
import MQWire

/// `mqadmin clusterList`
struct ClusterList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clusterList", abstract: "The clusters, their brokers and what they do now.",
        discussion: "Example: mqadmin clusterList -n 127.0.0.1:9876")

    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            let info = try await admin.clusterInfo()
            var table = Columns("Cluster Name", "Broker Name", "BID", "Addr", "Version", "Messages", "Log Bytes")
            var rows: [JSONValue] = []
            for (cluster, names) in info.clusters.sorted(by: { $0.key < $1.key }) {
                for name in names.sorted() {
                    for (id, address) in (info.brokers[name]?.addresses ?? [:]).sorted(by: { $0.key < $1.key }) {
                        // One that is gone is in the list until its nameserver forgets it.
                        let now = (try? await admin.runtimeInfo(of: address)) ?? [:]
                        let version = now["brokerVersionDesc"] ?? "no answer"
                        table.add(
                            cluster, name, "\(id)", address, version, now["msgPutTotalTodayNow"] ?? "-",
                            now["commitLogMaxOffset"] ?? "-")
                        rows.append([
                            "cluster": .string(cluster), "broker": .string(name), "brokerId": .integer(id),
                            "address": .string(address), "version": .string(version),
                        ])
                    }
                }
            }
            print(target.isForMachine ? JSONValue.array(rows).text : table.description)
        }
    }
}

/// `mqadmin brokerStatus`
struct BrokerStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "brokerStatus", abstract: "What a broker tells of itself now.",
        discussion: "Example: mqadmin brokerStatus -b 127.0.0.1:10911")

    @Option(name: [.customShort("b"), .customLong("brokerAddr")], help: "The broker, host:port.")
    var broker: String
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            let values = try await admin.runtimeInfo(of: broker).sorted { $0.key < $1.key }
            if target.isForMachine {
                return print(JSONValue.object(values.map { JSONMember($0.key, .string($0.value)) }).text)
            }
            let width = values.map(\.key.count).max() ?? 0
            for (key, value) in values {
                print("\(key)\(String(repeating: " ", count: width - key.count)) : \(value)")
            }
        }
    }
}

/// `mqadmin getBrokerConfig`
struct GetBrokerConfig: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "getBrokerConfig", abstract: "A broker's settings, as its .properties would have them.",
        discussion: "Example: mqadmin getBrokerConfig -b 127.0.0.1:10911")

    @Option(name: [.customShort("b"), .customLong("brokerAddr")], help: "The broker, host:port.")
    var broker: String
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            let text = try await admin.configuration(of: broker)
            guard target.isForMachine else { return print(text, terminator: "") }
            let members = text.split(separator: "\n").compactMap { line -> JSONMember? in
                guard let equals = line.firstIndex(of: "=") else { return nil }
                return JSONMember(String(line[..<equals]), .string(String(line[line.index(after: equals)...])))
            }
            print(JSONValue.object(members).text)
        }
    }
}

/// `mqadmin wipeWritePerm`
struct WipeWritePermission: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wipeWritePerm", abstract: "Takes a broker out of sending: its topics lose the write permission.",
        discussion: """
            Nameservers forget it when the broker's topics change or it starts anew.

            Example: mqadmin wipeWritePerm -b broker-a
            """)

    @Option(name: [.customShort("b"), .customLong("brokerName")], help: "The broker's name.")
    var broker: String
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            for (nameserver, count) in try await admin.wipeWritePermission(ofBroker: broker) {
                print(
                    target.isForMachine
                        ? JSONValue.object([
                            JSONMember("nameserver", .string(nameserver)), JSONMember("topics", .integer(count)),
                        ]).text : "\(nameserver): \(count) topics of \(broker) are not written any more")
            }
        }
    }
}
