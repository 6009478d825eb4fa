import FoundationEssentials
import SystemPackage
import Testing

@testable import LabCluster
@testable import LabInventory

@Suite struct CollectLogsTests {
    /// Nobody is connected: each daemon's log is missing, and each is named with the reason.
    @Test func everyMissingLogIsNamed() async throws {
        let topology = try JSONDecoder().decode(
            Topology.self,
            from: Data(
                #"{"mode":"m","title":"t","cluster":"c","nameservers":1,"brokers":[{"name":"broker-a"}]}"#.utf8))
        let plan = try Placement.plan(topology, nameservers: [Self.host("n1")], brokers: [Self.host("n2")])
        let subject = Subject(name: "s", nameserver: "/n", broker: "/b", scanner: "/s")
        let cluster = Cluster(plan: plan, subject: subject, fleet: Fleet(links: [:], agent: "/a"))
        let missing = await cluster.collectLogs(into: "/nonexistent")
        #expect(Set(missing.keys) == ["ns-1", "broker-a"])
        #expect(missing["broker-a"]?.contains("host 'n2'") == true, "\(missing)")
    }

    static func host(_ name: String) -> InventoryHost {
        InventoryHost(
            name: name, groups: [], variables: [:],
            connection: HostConnection(kind: .ssh, address: "198.18.0.1", port: 22, user: "root", knownHosts: []),
            seatrialAddress: "198.18.0.1", seatrialHAAddress: "198.18.0.1", allow: [], directory: "/srv/x",
            file: "hosts.yaml")
    }
}
