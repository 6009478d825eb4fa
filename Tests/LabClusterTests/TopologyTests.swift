import FoundationEssentials
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

    @Test(arguments: ["flushDiskType: sync_flush", "anything: else", "mapedFileSizeCommitLog: 67108864"])
    func whatIsRightOrUnknownPasses(_ setting: String) throws {
        #expect(try Self.load(setting).brokers.count == 1)
    }
}
