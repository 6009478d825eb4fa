import FoundationEssentials
import LabInventory
import SystemPackage
import Testing

@testable import LabCluster

/// A mode's file: a mistake in it is told with its line, before anything is deployed.
@Suite struct TopologyTests {
    private static func load(_ settings: String) throws -> Topology {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("mode-\(UUID().uuidString).yaml")
        defer { try? FileManager.default.removeItem(at: file) }
        let text = """
            mode: m
            title: t
            cluster: c
            nameservers: 1
            brokers:
              - name: broker-a
                settings:
                  \(settings)
            """
        try Data(text.utf8).write(to: file)
        return try Topology.load(FilePath(file.path))
    }

    @Test(arguments: [
        ("flushDiskType: FOO_FLUSH", ":8: flushDiskType: 'FOO_FLUSH' is none of ASYNC_FLUSH, SYNC_FLUSH"),
        ("brokerRole: MASTER", ":8: brokerRole: 'MASTER' is none of ASYNC_MASTER, SYNC_MASTER, SLAVE"),
        ("autoCreateTopicEnable: yes-please", ":8: autoCreateTopicEnable: 'yes-please' is neither true nor false"),
        ("listenPort: 70000", ":8: listenPort: '70000' is no whole number from 1 to 65535"),
        ("brokerId: one", ":8: brokerId: 'one' is no whole number from 0 to 2147483647"),
    ])
    func aWrongValueIsToldWithItsLine(_ setting: String, _ words: String) throws {
        let error = try #require(throws: ClusterError.self) { try Self.load(setting) }
        #expect("\(error)".hasSuffix(words), "\(error)")
    }

    /// The modes with slaves: each on a host of its own, under its master's name, counted from 1.
    @Test(arguments: ["m3-async", "m3-sync", "m4-async", "m4-sync"]) func slavesHaveTheirMastersName(
        _ mode: String
    ) throws {
        var root = FilePath(#filePath)
        for _ in 0..<3 { root.removeLastComponent() }
        let topology = try Topology.load(root.appending("labs/modes/\(mode).yaml"))
        let hosts = (1...6).map { CollectLogsTests.host("n\($0)") }
        let plan = try Placement.plan(topology, nameservers: Array(hosts[..<2]), brokers: Array(hosts[2...]))
        let slave = try #require(plan.daemon(named: "broker-b-slave"))
        #expect(slave.settings["brokerName"] == "broker-b" && slave.settings["brokerId"] == "1")
        #expect(slave.settings["brokerRole"] == "SLAVE" && slave.host.name == "n6")
        let master = try #require(plan.daemon(named: "broker-b"))
        #expect(master.settings["brokerId"] == "0" && master.settings["brokerRole"] != "SLAVE")
    }

    @Test func aSlaveOfNobodyIsTold() throws {
        let error = try #require(throws: ClusterError.self) { try Self.load("a: b\n    slave_of: broker-z") }
        #expect("\(error)".contains("is slave_of 'broker-z', which is no master here (there are: "), "\(error)")
    }

    @Test(arguments: ["flushDiskType: sync_flush", "anything: else", "mapedFileSizeCommitLog: 67108864"])
    func whatIsRightOrUnknownPasses(_ setting: String) throws {
        #expect(try Self.load(setting).brokers.count == 1)
    }
}
