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

    private static func mode(_ name: String) throws -> Topology {
        var root = FilePath(#filePath)
        for _ in 0..<3 { root.removeLastComponent() }
        return try Topology.load(root.appending("labs/modes/\(name).yaml"))
    }

    /// A group: numbers from 1, the first one begins, and all of them know the members of etcd, which know each other.
    @Test(arguments: ["m6-sync", "m6-async"], [1, 3]) func aGroupKnowsItsEtcd(_ mode: String, _ members: Int) throws {
        var topology = try Self.mode(mode)
        topology.etcd = members
        let hosts = (1...6).map { CollectLogsTests.host("n\($0)") }
        let plan = try Placement.plan(topology, nameservers: Array(hosts[..<3]), brokers: Array(hosts[3...]))
        let brokers = plan.daemons.filter { $0.role == .broker }
        #expect(brokers.map { $0.settings["brokerId"] } == ["1", "2", "3"])
        #expect(brokers.map { $0.settings["brokerRole"] } == ["SYNC_MASTER", "SLAVE", "SLAVE"])
        #expect(brokers.allSatisfy { $0.settings["brokerName"] == "broker-a" && $0.isGroupMember })
        let etcd = plan.daemons.filter { $0.role == .etcd }
        #expect(etcd.map(\.name) == (1...members).map { "etcd-\($0)" } && plan.daemons.first?.role == .etcd)
        let endpoints = etcd.map { "\($0.address):2379" }.joined(separator: ";")
        #expect(brokers.allSatisfy { $0.settings["etcdEndpoints"] == endpoints })
        let all = etcd.map { "\($0.name)=http://\($0.address):2380" }.joined(separator: ",")
        for member in etcd {
            #expect(member.configPath.hasSuffix("/\(member.name)/etcd.yaml"))
            #expect(member.configText.contains("initial-cluster: '\(all)'\n"), "\(member.configText)")
            // Without this line etcd has no gateway once it reads a file.
            #expect(member.configText.contains("enable-grpc-gateway: true\n"))
            // What is read back from a host is what was written there.
            #expect(Fleet.settings(member.configText, of: .etcd) == member.settings)
        }
    }

    /// Hosts of its own, where the inventory has some.
    @Test func etcdTakesItsOwnHosts() throws {
        let hosts = (1...9).map { CollectLogsTests.host("n\($0)") }
        let topology = try Self.mode("m6-sync")
        let plan = try Placement.plan(
            topology, nameservers: Array(hosts[..<3]), brokers: Array(hosts[3..<6]), etcd: Array(hosts[6...]))
        #expect(plan.daemons.filter { $0.role == .etcd }.map(\.host.name) == ["n7", "n8", "n9"])
        let error = try #require(throws: ClusterError.self) {
            try Placement.plan(
                topology, nameservers: Array(hosts[..<3]), brokers: Array(hosts[3..<6]), etcd: [hosts[6]])
        }
        #expect(error.message.contains("needs 3 host(s) in group 'etcd', the inventory has 1"), "\(error)")
    }

    @Test(arguments: [
        ("failoverPolicy: etcd", "has failoverPolicy etcd and no group; say 'group: NAME'"),
        ("failoverPolicy: etcd\n    group: g", "and there is none; say 'etcd: 3' (its members)"),
        ("a: b\n    group: g", "whose failoverPolicy is none; set it to etcd"),
        ("failoverPolicy: heartbeat\n    group: g\n    slave_of: z\n  - name: z", "a group chooses its master"),
        ("failoverPolicy: sometimes", ":8: failoverPolicy: 'sometimes' is none of none, heartbeat, etcd"),
        ("failoverPolicy: heartbeat\n    group: x\n  - name: x", "group 'x' has the name of broker 'x'"),
        ("a: b\netcd: 2", "etcd: 2 (1, 3, 5, 7: one member more"),
    ])
    func aGroupThatCannotBeIsTold(_ lines: String, _ words: String) throws {
        let error = try #require(throws: ClusterError.self) { try Self.load(lines) }
        #expect("\(error)".contains(words), "\(error)")
    }

    @Test func anOldEtcdIsKnown() {
        #expect(EtcdProgram.version(in: "etcd Version: 3.4.23\nGit SHA: x\n") == "3.4.23")
        #expect(EtcdProgram.version(in: "sh: no") == nil)
        for (version, isNew) in [("3.4.23", true), ("3.3.25", false), ("3.10.0", true), ("4.0.1", true), ("x", false)] {
            #expect(EtcdProgram.isNewEnough(version) == isNew, "\(version)")
        }
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
