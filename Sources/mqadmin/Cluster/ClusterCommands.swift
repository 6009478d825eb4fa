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
        discussion: """
            Examples:
              mqadmin brokerStatus -b 127.0.0.1:10911
              mqadmin brokerStatus -c DefaultCluster
            """)

    @OptionGroup var choice: BrokerChoice
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            try await choice.show(admin, json: target.isForMachine) { (address) async throws(MQClientError) in
                try await admin.runtimeInfo(of: address).sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            } text: { values in
                let width = values.map(\.0.count).max() ?? 0
                return values.map { "\($0)\(String(repeating: " ", count: width - $0.count)) : \($1)" }
            }
        }
    }
}

/// `mqadmin getBrokerConfig`
struct GetBrokerConfig: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "getBrokerConfig", abstract: "A broker's settings, as its .properties would have them.",
        discussion: """
            Examples:
              mqadmin getBrokerConfig -b 127.0.0.1:10911
              mqadmin getBrokerConfig -c DefaultCluster
            """)

    @OptionGroup var choice: BrokerChoice
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            try await choice.show(admin, json: target.isForMachine) { (address) async throws(MQClientError) in
                try await admin.configuration(of: address).split(separator: "\n").compactMap { line in
                    guard let equals = line.firstIndex(of: "=") else { return nil }
                    return (String(line[..<equals]), String(line[line.index(after: equals)...]))
                }
            } text: { values in
                values.map { "\($0)=\($1)" }
            }
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
