import LabInventory
import Testing

@testable import LabChaos

@Suite struct TargetSelectorTests {
    static let whole: [(String, [String])] = [
        ("broker-a", ["broker-a"]), ("n3", ["n3"]), ("broker-b,n1", ["broker-b", "n1"]),
        ("broker-a, broker-a", ["broker-a"]),
        ("masters", ["broker-a", "broker-b"]), ("slaves", ["broker-a-slave", "broker-b-slave"]),
        ("nameservers", ["ns-1", "ns-2"]), ("brokers", ["broker-a", "broker-a-slave", "broker-b", "broker-b-slave"]),
        ("hosts", ["n1", "n2", "n3", "n4", "n5", "n6"]), ("all:masters", ["broker-a", "broker-b"]),
        ("slave-of:broker-b", ["broker-b-slave"]), ("one:slave-of:broker-a", ["broker-a-slave"]),
        ("100%:masters", ["broker-a", "broker-b"]), ("one:broker-a", ["broker-a"]),
    ]

    @Test(arguments: whole) func whomAWordMeans(_ row: (String, [String])) throws {
        #expect(try TargetSelector(row.0).select(from: Fixtures.roster, seed: 1) == row.1)
    }

    static let counts: [(String, of: Int, Int)] = [
        ("one:hosts", 6, 1), ("minority:hosts", 6, 2), ("majority:hosts", 6, 4), ("minority:hosts", 5, 2),
        ("majority:hosts", 5, 3), ("minority:hosts", 3, 1), ("majority:hosts", 1, 1), ("50%:hosts", 5, 3),
        ("1%:hosts", 5, 1), ("34%:hosts", 3, 1), ("99%:hosts", 3, 3),
    ]

    @Test(arguments: counts) func howManyAChoiceTakes(_ row: (String, of: Int, Int)) throws {
        let crowd = Fixtures.crowd(row.of)
        let drawn = try (0..<200 as Range<UInt64>).map { try TargetSelector(row.0).select(from: crowd, seed: $0) }
        #expect(drawn.allSatisfy { $0.count == row.2 && Set($0).count == row.2 })
        // In the roster's order, so that the same choice has one text.
        #expect(drawn.allSatisfy { chosen in crowd.hosts.map(\.name).filter(chosen.contains) == chosen })
        // Everybody's turn comes.
        #expect(Set(drawn.flatMap(\.self)) == Set(crowd.hosts.map(\.name)))
    }

    @Test func theSameSeedChoosesTheSame() throws {
        for seed in 0..<50 as Range<UInt64> {
            let first = try TargetSelector("one:masters").select(from: Fixtures.roster, seed: seed)
            #expect(try TargetSelector("one:masters").select(from: Fixtures.roster, seed: seed) == first)
        }
    }

    @Test(arguments: [
        ("broker-z", "no daemon, host or pool"), ("slave-of:ns-1", "has no slave"), ("slave-of:x", "target 'x'"),
        ("minority:broker-a", "have no minority"), ("0%:hosts", "target '0%:hosts'"),
        ("two:hosts", "target 'two:hosts'"),
        ("", "target ''"), ("broker-a,", "target ''"), ("one:", "target 'one:'"),
    ]) func mistakesAreNamed(_ row: (String, String)) throws {
        let error = try #require(throws: ChaosError.self) {
            try TargetSelector(row.0).select(from: Fixtures.roster, seed: 1)
        }
        #expect(error.code == .badPlan && error.message.contains(row.1), "\(error)")
    }

    @Test func aPoolOfNobodyIsNamed() throws {
        let error = try #require(throws: ChaosError.self) {
            try TargetSelector("one:slaves").select(from: Fixtures.crowd(3), seed: 1)
        }
        #expect(error.message == "target 'slaves': there are none here")
    }
}
