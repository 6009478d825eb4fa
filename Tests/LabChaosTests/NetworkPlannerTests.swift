import LabAgent
import LabInventory
import Testing

@testable import LabChaos

/// Which pairs a partition cuts, and which host's rules do it.
@Suite struct NetworkPlannerTests {
    static let clients = "198.18.0.1"

    static func order(
        _ kind: FaultPlan.Kind, _ target: String, on roster: Roster = Fixtures.roster, seed: UInt64 = 1,
        answer: NetworkFault.Answer? = nil, side: FaultPlan.Clients? = nil
    ) throws -> FaultOrder {
        try FaultOrder(
            FaultPlan(id: "f", kind: kind, target: target, ttlSeconds: 1, answer: answer, clients: side), on: roster,
            seed: seed, clientAddress: { _ in clients })
    }

    /// `n1<n3`: n1 takes nothing of n3's; `n1>n3`: n1 sends nothing to n3. With ports where only these are meant.
    static func rules(_ order: FaultOrder) -> Set<String> {
        func name(_ address: String) -> String {
            address == clients ? "clients" : "n\((Int(address.split(separator: ".").last ?? "") ?? 0) - 10)"
        }
        return Set(
            order.parts.flatMap { part -> [String] in
                guard case .network(let fault) = part.kind else { return ["\(part.kind)"] }
                return fault.rules.map { rule in
                    let ports =
                        switch rule.ports {
                        case .all: ""
                        case .local(let ports): " local \(ports)"
                        case .remote(let ports): " remote \(ports)"
                        }
                    return "\(part.host.name)\(rule.direction == .incoming ? "<" : ">")\(name(rule.peer))\(ports)"
                }
            })
    }

    static let shapes: [(FaultPlan.Kind, String, NetworkFault.Answer?, FaultPlan.Clients?, Set<String>)] = [
        (
            .isolate, "broker-a", nil, .near,
            [
                "n3<n1", "n3<n2", "n3<n4", "n3<n5", "n3<n6", "n1<n3", "n2<n3", "n4<n3", "n5<n3", "n6<n3",
            ]
        ),
        // Where it leaves, so that the sender is told.
        (
            .isolate, "broker-a", .reject, .near,
            [
                "n3>n1", "n3>n2", "n3>n4", "n3>n5", "n3>n6", "n1>n3", "n2>n3", "n4>n3", "n5>n3", "n6>n3",
            ]
        ),
        (
            .halves, "n1,n2,n3,n4,n5", nil, nil,
            ["n6<n1", "n6<n2", "n6<n3", "n6<n4", "n6<n5", "n1<n6", "n2<n6", "n3<n6", "n4<n6", "n5<n6"]
        ),
        (.mute, "n1", nil, nil, ["n2<n1", "n3<n1", "n4<n1", "n5<n1", "n6<n1"]),
        (.deafen, "n1", nil, nil, ["n1<n2", "n1<n3", "n1<n4", "n1<n5", "n1<n6"]),
        (.mute, "n1", .reject, nil, ["n1>n2", "n1>n3", "n1>n4", "n1>n5", "n1>n6"]),
        (.cutHA, "broker-a", nil, nil, ["n3<n4 local [10912]", "n4<n3 remote [10912]"]),
        // From the slave's side it is the same link.
        (.cutHA, "broker-b-slave", nil, nil, ["n5<n6 local [10999]", "n6<n5 remote [10999]"]),
        (
            .cutNameservers, "broker-a", nil, nil,
            ["n3<n1 remote [9876]", "n3<n2 remote [9876]", "n1<n3 local [9876]", "n2<n3 local [9876]"]
        ),
        (.cutClients, "broker-a", nil, nil, ["n3<clients local [10911]", "n3>clients local [10911]"]),
        (.cutClients, "ns-1", .reject, nil, ["n1<clients local [9876]", "n1>clients local [9876]"]),
    ]

    @Test(arguments: shapes.indices) func eachShapeCutsWhatItsNameSays(_ place: Int) throws {
        let (kind, target, answer, side, expected) = Self.shapes[place]
        let order = try Self.order(kind, target, answer: answer, side: side)
        #expect(Self.rules(order) == expected, "\(kind) \(target)")
    }

    @Test func whoIsIsolatedIsSoFromClientsAsWell() throws {
        let far = try Self.order(.isolate, "broker-a")
        let near = try Self.order(.isolate, "broker-a", side: .near)
        #expect(
            Self.rules(far).subtracting(Self.rules(near)) == ["n3<clients local [10911]", "n3>clients local [10911]"])
        #expect(far.outside == [NetworkProbe(address: "198.18.0.13", port: 10911)] && near.outside.isEmpty)
        #expect(far.target == "broker-a on n3")
    }

    /// Model: a host hears whom no rule cuts off, in whatever direction.
    static func heard(_ order: FaultOrder, by host: Int, of count: Int) -> Set<Int> {
        let cut = rules(order)
        return Set(
            (1...count).filter { peer in
                peer == host || !cut.contains("n\(host)<n\(peer)") && !cut.contains("n\(peer)<n\(host)")
            })
    }

    @Test(arguments: 4...12) func inARingEachHearsAMajorityAndNoTwoTheSame(_ count: Int) throws {
        for seed in 0..<5 as Range<UInt64> {
            let order = try Self.order(.ring, "hosts", on: Fixtures.crowd(count), seed: seed)
            let views = (1...count).map { Self.heard(order, by: $0, of: count) }
            #expect(views.allSatisfy { $0.count > count / 2 && $0.count < count }, "seed \(seed): \(views)")
            #expect(Set(views).count == count, "seed \(seed): \(views)")
        }
    }

    @Test(arguments: 3...9) func overABridgeOneHearsAllAndTwoHalvesDoNotHearEachOther(_ count: Int) throws {
        for seed in 0..<5 as Range<UInt64> {
            let order = try Self.order(.bridge, "hosts", on: Fixtures.crowd(count), seed: seed)
            let views = (1...count).map { Self.heard(order, by: $0, of: count) }
            let bridges = (1...count).filter { views[$0 - 1].count == count }
            #expect(bridges.count == 1, "seed \(seed): \(views)")
            let halves = Set((1...count).filter { !bridges.contains($0) }.map { views[$0 - 1] })
            #expect(halves.count == 2 && halves.allSatisfy { $0.contains(bridges[0]) }, "seed \(seed): \(views)")
            #expect(Set(halves.map(\.count)).max()! - Set(halves.map(\.count)).min()! <= 1)
        }
    }

    @Test(arguments: [
        (FaultPlan.Kind.ring, "n1,n2,n3", "a ring needs 4 hosts"), (.bridge, "n1,n2", "a bridge needs 3 hosts"),
        (.halves, "hosts", "all hosts are on one side"), (.mute, "hosts", "nobody on the other side"),
        (.cutHA, "ns-1", "nothing is to be cut"), (.cutNameservers, "ns-1", "nothing is to be cut"),
        (.pause, "n3", "strikes daemons, and 'n3' is a host"),
        (.powerLoss, "masters", "one host after the other"), (.processSignal, "broker-a", "signal '' is none of"),
    ]) func whatCannotBeDoneIsNamed(_ row: (FaultPlan.Kind, String, String)) throws {
        let error = try #require(throws: ChaosError.self) { try Self.order(row.0, row.1) }
        #expect(error.code == .badPlan && error.message.contains(row.2), "\(error)")
    }

    @Test func theSeedChoosesTheTargetsAndTwoFaultsDrawApart() throws {
        func target(_ id: String, _ seed: UInt64) throws -> String {
            try FaultOrder(
                FaultPlan(id: id, kind: .pause, target: "one:brokers", ttlSeconds: 1),
                on: Fixtures.roster, seed: seed, clientAddress: { _ in nil }
            ).target
        }
        let pairs = try (0..<40 as Range<UInt64>).map { (try target("a", $0), try target("b", $0)) }
        #expect(Set(pairs.map(\.0)).count == 4 && pairs.contains { $0.0 != $0.1 })
        #expect(try target("a", 7) == target("a", 7))
    }

    @Test func aDryRunPrintsEachHostsRules() throws {
        let text = try Self.order(.cutHA, "broker-a").text(uid: "u")
        let first = "fault 'f': cut-ha on broker-a on n3, undone by the hosts themselves after 1.0 s"
        #expect(text.hasPrefix("\(first)\n  n3: cut off: n4 (10912)\n"), "\(text)")
        #expect(text.contains("ip saddr 198.18.0.14 tcp dport { 10912 } counter drop"), "\(text)")
        #expect(text.contains("ip saddr 198.18.0.13 tcp sport { 10912 } counter drop"), "\(text)")
        #expect(text.contains("table inet seatrial_v1_"), "\(text)")
    }
}
