import Testing

@testable import LabAgent
@testable import LabCluster

/// What is deployed, in the order in which it starts, and what it logged.
@Suite struct DaemonControlTests {
    private static func found(_ name: String, _ arguments: [String]) -> DaemonControl.Found {
        let status = DaemonStatus(
            name: name, state: .running, pid: 1, startTicks: 1, wanted: true,
            spec: DaemonSpec(name: name, executable: "x", arguments: arguments))
        return DaemonControl.Found(host: CollectLogsTests.host("n1"), status: status)
    }

    @Test func etcdComesFirstAndBrokersLast() {
        let daemons = [
            Self.found("broker-b", ["-c", "/r/broker-b/broker.properties"]), Self.found("odd", ["--serve"]),
            Self.found("broker-a", ["-c", "/r/broker-a/broker.properties"]),
            Self.found("ns-1", ["-c", "/r/ns-1/nameserver.properties"]),
            Self.found("etcd-1", ["--config-file", "/r/etcd-1/etcd.yaml"]),
        ]
        #expect(DaemonControl.sorted(daemons).map(\.name) == ["etcd-1", "ns-1", "broker-a", "broker-b", "odd"])
        #expect(daemons.map(\.status.role) == [.broker, nil, .broker, .nameserver, .etcd])
    }

    @Test(arguments: [
        ("a\nb\nc\n", true, ["b", "c"]), ("a\nb\nc", true, ["b", "c"]), ("a\n", true, ["a"]), ("", true, []),
        ("alf\nb\n", false, ["b"]), ("a\n\n", true, ["a", ""]), ("half", false, []),
    ])
    func theLastLinesAreWhole(_ log: String, _ isWhole: Bool, _ lines: [String]) {
        #expect(DaemonControl.lastLines(2, of: Array(log.utf8), isWhole: isWhole) == lines)
    }
}
