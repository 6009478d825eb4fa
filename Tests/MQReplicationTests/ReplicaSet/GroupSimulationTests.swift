import GroupSimulation
import MQReplication
import Testing

/// Some lives, as slow as a debug build has them; `make groups` plays many.
@Suite struct GroupSimulationTests {
    private static func play(_ seeds: some Sequence<UInt64>, _ policy: ReplicaSetMachine.Policy) {
        for seed in seeds {
            let schedule = Schedule(seed: seed, policy: policy)
            do throws(Violation) { try GroupWorld(schedule).run() } catch { Issue.record("\(error)\n\(schedule)") }
        }
    }

    @Test func theCoordinatedGroupKeepsItsPromises() { Self.play(1...25, .etcd) }

    @Test func theOtherPoliciesKeepLogsAndTablesTrue() {
        Self.play(1...10, .heartbeat)
        Self.play(1...10, .none)
    }

    /// Lives that once broke a promise.
    @Test(arguments: [
        // An answer of the master from before it wrote on had its follower cut what both had acknowledged.
        UInt64(8553),
        // A follower that had everything was taken out of the set while nothing was written.
        168,
        // Who was to be asked for what it had was not, since the old master was still being looked for.
        9357, 14017, 19685,
    ])
    func whatWasMendedStaysMended(seed: UInt64) { Self.play([seed], .etcd) }

    /// The lesson of `heartbeat`: it splits, the simulation sees it, and one fault is enough.
    @Test func heartbeatsSplitBrainIsFoundAndMadeShort() throws {
        let found = (UInt64(1)...200).lazy.map { Schedule(seed: $0, policy: .heartbeat) }
            .first { Shrinker.violation(of: $0)?.promise == .oneMaster }
        let schedule = try #require(found)
        let shortest = Shrinker.shrink(schedule, .oneMaster)
        #expect(shortest.faults.count <= 2, "\(shortest)")
        #expect(Shrinker.violation(of: shortest)?.promise == .oneMaster)
        // The same faults split no group that asks a coordinator.
        var coordinated = shortest
        coordinated.policy = .etcd
        #expect(Shrinker.violation(of: coordinated) == nil)
    }

    /// Without a fault each policy has one master from the beginning, and loses nothing.
    @Test(arguments: ReplicaSetMachine.Policy.allCases)
    func aQuietLifeHasOneReign(policy: ReplicaSetMachine.Policy) throws {
        for seed in UInt64(1)...3 {
            var schedule = Schedule(seed: seed, policy: policy)
            schedule.faults = []
            let world = GroupWorld(schedule)
            try world.run()
            #expect(world.lapse == nil && world.reigns == 1 && world.setAside == 0, "\(schedule)")
            #expect(world.acknowledgedCount > 200, "\(schedule)")
        }
    }
}
