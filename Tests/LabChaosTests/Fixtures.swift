@testable import LabChaos
@testable import LabCluster
@testable import LabInventory

/// Two nameservers and two masters with a slave each, on hosts n1 to n6 of 198.18.0.11 to .16.
enum Fixtures {
    static func host(_ number: Int) -> InventoryHost {
        let address = "198.18.0.\(10 + number)"
        return InventoryHost(
            name: "n\(number)", groups: [], variables: [:],
            connection: HostConnection(kind: .ssh, address: address, port: 22, user: "root", knownHosts: []),
            seatrialAddress: address, seatrialHAAddress: address, allow: [], directory: "/srv/seatrial",
            file: "hosts.yaml")
    }

    static func daemon(_ name: String, on number: Int, _ settings: [String: String] = [:]) -> DaemonPlan {
        DaemonPlan(
            name: name, role: settings.isEmpty ? .nameserver : .broker, host: host(number),
            address: host(number).seatrialAddress, port: settings.isEmpty ? 9876 : 10911, settings: settings)
    }

    static let roster = Roster(daemons: [
        daemon("ns-1", on: 1), daemon("ns-2", on: 2),
        daemon("broker-a", on: 3, ["brokerName": "broker-a", "brokerRole": "SYNC_MASTER"]),
        daemon("broker-a-slave", on: 4, ["brokerName": "broker-a", "brokerRole": "SLAVE"]),
        daemon("broker-b", on: 5, ["brokerName": "broker-b", "brokerRole": "SYNC_MASTER", "haListenPort": "10999"]),
        daemon("broker-b-slave", on: 6, ["brokerName": "broker-b", "brokerRole": "SLAVE"]),
    ])

    /// So many hosts with a nameserver each.
    static func crowd(_ count: Int) -> Roster {
        Roster(daemons: (1...count).map { daemon("ns-\($0)", on: $0) })
    }
}
