import ArgumentParser
import MQClient
import MQWire

/// `mqadmin clusterList`
struct ClusterList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clusterList", abstract: "The clusters, their brokers and what they do now.",
        discussion: """
            Examples:
              mqadmin clusterList -n 127.0.0.1:9876
              mqadmin clusterList -m          messages in and out, yesterday's and today's
              mqadmin clusterList -i 2        again every two seconds, until Ctrl-C
            """)

    @Flag(name: [.customShort("m"), .customLong("moreStats")], help: "Messages in and out, yesterday's and today's.")
    var showsDays = false
    @Option(name: [.customShort("i"), .customLong("interval")], help: "Again after so many seconds, until Ctrl-C.")
    var interval: Int?
    @OptionGroup var target: AdminTarget

    func validate() throws {
        if let interval, !(1...86_400).contains(interval) {
            throw ValidationError("-i \(interval) is out of range (expected 1 to 86400 seconds)")
        }
    }

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            try await show(admin)
            guard let interval else { return }
            while (try? await Task.sleep(for: .seconds(interval))) != nil {
                print()
                try await show(admin)
            }
        }
    }

    private func show(_ admin: MQAdmin) async throws(MQClientError) {
        let info = try await admin.clusterInfo()
        var table =
            showsDays
            ? Columns("Cluster Name", "Broker Name", "InTotalYest", "OutTotalYest", "InTotalToday", "OutTotalToday")
            : Columns("Cluster Name", "Broker Name", "BID", "Addr", "Version", "Messages", "Log Bytes")
        var rows: [JSONValue] = []
        for (cluster, names) in info.clusters.sorted(by: { $0.key < $1.key }) {
            for name in names.sorted() {
                for (id, address) in (info.brokers[name]?.addresses ?? [:]).sorted(by: { $0.key < $1.key }) {
                    // One that is gone is in the list until its nameserver forgets it.
                    let now = (try? await admin.runtimeInfo(of: address)) ?? [:]
                    let days = BrokerDays(now)
                    if showsDays {
                        table.add(
                            cluster, name, "\(days.inYesterday)", "\(days.outYesterday)", "\(days.inToday)",
                            "\(days.outToday)")
                    } else {
                        table.add(
                            cluster, name, "\(id)", address, now["brokerVersionDesc"] ?? "no answer",
                            now["msgPutTotalTodayNow"] ?? "-", now["commitLogMaxOffset"] ?? "-")
                    }
                    rows.append([
                        "cluster": .string(cluster), "broker": .string(name), "brokerId": .integer(id),
                        "address": .string(address), "version": .string(now["brokerVersionDesc"] ?? "no answer"),
                        "messages": now["msgPutTotalTodayNow"].flatMap { Int64($0) }.map { .integer($0) } ?? .null,
                        "logBytes": now["commitLogMaxOffset"].flatMap { Int64($0) }.map { .integer($0) } ?? .null,
                        "inTotalYesterday": .integer(days.inYesterday),
                        "outTotalYesterday": .integer(days.outYesterday),
                        "inTotalToday": .integer(days.inToday), "outTotalToday": .integer(days.outToday),
                    ])
                }
            }
        }
        print(target.isForMachine ? JSONValue.array(rows).text : table.description)
        if rows.isEmpty, !target.isForMachine { print("no broker is registered with the nameserver") }
    }
}

/// What a broker took and gave, from its own account of three midnights and now.
private struct BrokerDays {
    var inYesterday: Int64
    var outYesterday: Int64
    var inToday: Int64
    var outToday: Int64

    init(_ info: [String: String]) {
        func number(_ key: String) -> Int64 { info[key].flatMap { Int64($0) } ?? 0 }
        let (puts, gets) = (number("msgPutTotalTodayMorning"), number("msgGetTotalTodayMorning"))
        inYesterday = puts - number("msgPutTotalYesterdayMorning")
        outYesterday = gets - number("msgGetTotalYesterdayMorning")
        inToday = number("msgPutTotalTodayNow") - puts
        outToday = number("msgGetTotalTodayNow") - gets
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
            addWritePerm gives it back. Nameservers also forget it when the broker's topics change or it starts anew.

            Example: mqadmin wipeWritePerm -b broker-a
            """)

    @Option(name: [.customShort("b"), .customLong("brokerName")], help: "The broker's name.")
    var broker: String
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            target.show(
                try await admin.wipeWritePermission(ofBroker: broker), "topics of \(broker) are not written any more")
        }
    }
}

/// `mqadmin addWritePerm`
struct AddWritePermission: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "addWritePerm", abstract: "Lets a broker be written to again, after wipeWritePerm.",
        discussion: "Example: mqadmin addWritePerm -b broker-a")

    @Option(name: [.customShort("b"), .customLong("brokerName")], help: "The broker's name.")
    var broker: String
    @OptionGroup var target: AdminTarget

    func run() async throws {
        try await target.run { (admin, _) async throws(MQClientError) in
            target.show(try await admin.addWritePermission(ofBroker: broker), "topics of \(broker) are written again")
        }
    }
}

extension AdminTarget {
    /// Shows how many topics each nameserver changed.
    fileprivate func show(_ changes: [(nameserver: String, topics: Int64)], _ words: String) {
        for change in changes {
            let values: JSONValue = ["nameserver": .string(change.nameserver), "topics": .integer(change.topics)]
            print(isForMachine ? values.text : "\(change.nameserver): \(change.topics) \(words)")
        }
    }
}
