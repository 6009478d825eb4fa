import SystemPackage
import Testing

@testable import LabHosts

@Suite struct LabIdentityTests {
    @Test func namesFitTheKernelsLimitsAndDiffer() {
        var ids: Set<String> = []
        for number in 0..<500 {
            let identity = LabIdentity(stateDirectory: FilePath("/work/\(number)/.seatrial"))
            // IFNAMSIZ is 16 with its zero byte.
            #expect(identity.link(LabIdentity.hostLimit).utf8.count <= 15)
            #expect(identity.routeMetric >= 0xF000_0000)
            ids.insert(identity.id)
        }
        #expect(ids.count == 500)
        #expect(LabIdentity(stateDirectory: "/a").id == LabIdentity(stateDirectory: "/a").id)
    }

    static let header = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"

    static let tables: [(String, Int, Int?)] = [
        ("", 7, 7),
        // 198.18.7.0/24 is taken.
        ("br0\t000712C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", 7, 8),
        // The search goes on at the other end: 198.19.255.0/24.
        ("br0\t00FF13C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", 511, 0),
        // 198.18.0.0/16 takes the lower half.
        ("br0\t000012C6\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n", 3, 256),
        // One address of it takes the /24.
        ("br0\t090712C6\t00000000\t0001\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n", 7, 8),
        // A default route and a lab's unreachable route take nothing.
        ("eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", 7, 7),
        ("*\t000012C6\t00000000\t0200\t0\t0\t-1\t0000FEFF\t0\t0\t0\n", 7, 7),
        // All of 198.0.0.0/8 is somebody's.
        ("br0\t000000C6\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n", 7, nil),
    ]

    @Test(arguments: tables) func aFreeSubnetIsFound(_ rows: String, _ start: Int, _ expected: Int?) {
        #expect(LabSubnet.firstFree(from: start, routes: Self.header + rows)?.number == expected)
    }

    @Test func addressesStayInTheirSubnet() {
        let subnet = LabSubnet(number: 300)
        #expect(subnet.cidr == "198.19.44.0/24")
        #expect(subnet.bridgeAddress == "198.19.44.1")
        #expect(subnet.address(1) == "198.19.44.11")
        #expect(subnet.address(LabIdentity.hostLimit) == "198.19.44.210")
    }

    static let roles: [(Int, [String])] = [(1, ["n1"]), (2, ["n2"]), (3, ["n2"]), (5, ["n3", "n4"])]

    @Test(arguments: roles) func theInventoryPlacesRoles(_ count: Int, _ brokers: [String]) {
        let names = (1...count).map { "n\($0)" }
        let text = HostsInventory.yaml(
            names: names, addresses: names.map { "198.18.0.\($0.dropFirst())" }, key: "/k", knownHosts: "/o'h",
            power: PowerCommand(program: "/bin/seatrial", stateDirectory: "/a b"))
        let expected = "    brokers:\n      hosts:\n" + brokers.map { "        \($0):\n" }.joined() + "    clients:\n"
        #expect(text.contains(expected))
        #expect(text.contains("    clients:\n      hosts:\n        n\(count):\n"))
        #expect(text.contains("'-o UserKnownHostsFile=/o''h'"))
        let power = "'/bin/seatrial hosts power off n1 --state ''/a b'' --for {seconds}'"
        #expect(text.contains("seatrial_power_off: \(power)\n"))
    }

    @Test func aHostsFailureNamesTheWayOut() throws {
        let log: FilePath = "/tmp/seatrial-boot-log-test"
        defer { HostFiles.remove(log) }
        let cases: [(String, LocalHostsError.Code)] = [
            ("unshare: unshare failed: Operation not permitted\n", .namespacesDenied),
            ("mount: /srv: failed to setup loop device for x.img.\n", .noLoopDevice),
            ("sh: something else\n", .hostFailed),
        ]
        for (text, code) in cases {
            try HostFiles.replace(log, Array(text.utf8), mode: 0o600)
            let error = HostBoot.failure(host: "n1", log: log)
            #expect(error.code == code && error.message.contains("n1") && !error.message.contains("\n"))
        }
    }
}
