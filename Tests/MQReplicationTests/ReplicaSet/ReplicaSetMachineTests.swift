import MQReplication
import Testing

/// The machine by hand: what it is told, and what it says.
@Suite struct ReplicaSetMachineTests {
    private typealias Machine = ReplicaSetMachine
    private static let other = Replica(id: ReplicaID(1), incarnation: 22)
    private static let third = Replica(id: ReplicaID(2), incarnation: 33)
    private static let me = Replica(id: ReplicaID(0), incarnation: 11)
    private static let epoch = Epoch(number: 1, mark: 11)

    private static func configuration() -> Machine.Configuration {
        Machine.Configuration(policy: .etcd, rule: .inSync(minimum: 2), isFounder: true, countsFlushed: false)
    }

    /// A master of the first epoch with this set, whose lease was asked for at 1000 ms.
    private static func master(inSync: [Replica]) throws -> Machine {
        var machine = Machine(configuration: configuration(), me: me, log: LogSpan(), flushedEnd: 0, now: 1000)
        #expect(machine.handle(.timer, now: 1000) == [.readGroup(1)])
        #expect(machine.handle(.answered(1, .state(GroupState())), now: 1000) == [.grantLease(2)])
        #expect(
            machine.handle(.answered(2, .leaseGranted(5)), now: 1100)
                == [.campaign(3, lease: 5, expected: 0, epoch: epoch, inSync: [me])])
        let state = GroupState(seenAt: 1, revision: 1, epoch: epoch, master: me.id, lease: 5, inSync: inSync)
        #expect(machine.handle(.answered(3, .done(state)), now: 1100) == [.promote(epoch)])
        var table = EpochTable()
        table.begin(epoch, at: 0)
        #expect(machine.refusal(now: 1100) == .notMaster)
        _ = machine.handle(.promoted(epoch, start: 0, epochs: table), now: 1100)
        return machine
    }

    /// A store that was a fixed master's has epochs that the coordinator knows nothing of: the next one comes after them, too.
    @Test func aGroupBeginsBehindItsFoundersEpochs() throws {
        var table = EpochTable()
        table.begin(Epoch(number: 5, mark: 9), at: 0)
        var machine = Machine(
            configuration: Self.configuration(), me: Self.me, log: LogSpan(end: 10, epochs: table), flushedEnd: 10,
            now: 1000)
        _ = machine.handle(.timer, now: 1000)
        _ = machine.handle(.answered(1, .state(GroupState())), now: 1000)
        let epoch = Epoch(number: 6, mark: 11)
        #expect(
            machine.handle(.answered(2, .leaseGranted(5)), now: 1100)
                == [.campaign(3, lease: 5, expected: 0, epoch: epoch, inSync: [Self.me])])
    }

    /// A master whose lease ran out is silent already: whoever takes its place does not wait for it to lag as well. It stays where too few
    /// would be left without it, and where it handed over.
    @Test func theNextMasterDoesNotWaitForTheOneBefore() throws {
        let epoch = Epoch(number: 4, mark: Self.other.incarnation)
        func campaign(_ set: [Replica], heir: ReplicaID? = nil) -> [Replica]? {
            var machine = Machine(
                configuration: Self.configuration(), me: Self.me, log: LogSpan(), flushedEnd: 0, now: 1000)
            _ = machine.handle(.timer, now: 1000)
            var state = GroupState(seenAt: 9, revision: 3, epoch: epoch, inSync: set)
            state.heir = heir
            _ = machine.handle(.answered(1, .state(state)), now: 1000)
            for case .campaign(_, _, _, _, let inSync) in machine.handle(.answered(2, .leaseGranted(5)), now: 1100) {
                return inSync
            }
            return nil
        }
        #expect(campaign([Self.me, Self.other, Self.third]) == [Self.me, Self.third])
        #expect(campaign([Self.me, Self.other]) == [Self.me, Self.other])
        #expect(campaign([Self.me, Self.other, Self.third], heir: Self.me.id) == [Self.me, Self.other, Self.third])
    }

    /// Whoever asks a master that was elected a moment ago, and has not begun, asks again soon: nothing is acknowledged before it follows.
    @Test func aMasterThatHasNotBegunIsAskedAgainSoon() {
        var machine = Machine(
            configuration: Self.configuration(), me: Self.me, log: LogSpan(), flushedEnd: 0, now: 1000)
        _ = machine.handle(.timer, now: 1000)
        let epoch = Epoch(number: 4, mark: Self.other.incarnation)
        let state = GroupState(
            seenAt: 9, revision: 3, epoch: epoch, master: Self.other.id, lease: 7, inSync: [Self.me, Self.other])
        let asked = machine.handle(.answered(1, .state(state)), now: 1000)
        guard case .ask(let number, Self.other.id)? = asked.first(where: { if case .ask = $0 { true } else { false } })
        else { return #expect(Bool(false), "\(asked)") }
        let early = ReplicaStatus(replica: Self.other, log: LogSpan(), reign: nil)
        #expect(machine.handle(.status(early, to: number), now: 1010) == [])
        #expect(machine.wakeAt == 1035)
        let again = machine.handle(.timer, now: 1035)
        #expect(again.contains { if case .ask(_, Self.other.id) = $0 { true } else { false } }, "\(again)")
    }

    @Test func nothingIsAcknowledgedBeforeAllInSyncHaveIt() throws {
        var machine = try Self.master(inSync: [Self.me, Self.other])
        #expect(machine.handle(.log(end: 100, flushed: 0), now: 1200) == [])
        #expect(machine.handle(.follower(Self.other, session: 1, reported: 60), now: 1210) == [.acknowledge(60)])
        #expect(machine.handle(.follower(Self.other, session: 1, reported: 100), now: 1220) == [.acknowledge(100)])
        #expect(machine.refusal(now: 1220) == nil)
    }

    /// The lease counts from the question, ends by the drift's margin earlier, and is noticed whatever comes.
    @Test func whoseLeaseIsOverAcknowledgesNothing() throws {
        var machine = try Self.master(inSync: [Self.me, Self.other])
        _ = machine.handle(.log(end: 100, flushed: 0), now: 1200)
        #expect(machine.refusal(now: 3849) == nil || machine.refusal(now: 3849) == .tooFewInSync)
        #expect(machine.refusal(now: 3850) == .leaseOver)
        let actions = machine.handle(.follower(Self.other, session: 1, reported: 100), now: 3850)
        #expect(actions.prefix(2) == [.revokeLease(5), .demote(.leaseOver)])
        #expect(!actions.contains(.acknowledge(100)))
        #expect(machine.refusal(now: 3850) == .notMaster)
    }

    /// A change of the set whose answer does not come binds as if it had taken effect, until a newer revision is seen.
    @Test func whoMayBeInSyncHasToHaveIt() throws {
        var machine = try Self.master(inSync: [Self.me, Self.other])
        _ = machine.handle(.follower(Self.other, session: 1, reported: 0), now: 1200)
        let all = [Self.me, Self.other, Self.third]
        let actions = machine.handle(.follower(Self.third, session: 2, reported: 0), now: 1210)
        #expect(actions.count == 1)
        guard case .changeInSync(let number, expected: 1, inSync: all)? = actions.first else {
            Issue.record("\(actions)")
            return
        }
        _ = machine.handle(.log(end: 50, flushed: 0), now: 1220)
        #expect(machine.handle(.follower(Self.other, session: 1, reported: 50), now: 1230) == [])
        // It is gone, and may be in the set nevertheless.
        #expect(machine.handle(.followerLeft(Self.third.id, session: 2), now: 1240) == [])
        #expect(machine.handle(.follower(Self.other, session: 1, reported: 50), now: 1250) == [])
        // Then the change turns out not to have taken effect, and never will.
        let state = GroupState(
            seenAt: 2, revision: 2, epoch: Self.epoch, master: Self.me.id, lease: 5, inSync: [Self.me, Self.other])
        #expect(machine.handle(.answered(number, .state(state)), now: 1260) == [.acknowledge(50)])
    }

    /// A member that comes back as another incarnation has no vote by the old one's place.
    @Test func anotherIncarnationIsAnotherReplica() throws {
        var machine = try Self.master(inSync: [Self.me, Self.other])
        _ = machine.handle(.log(end: 100, flushed: 0), now: 1200)
        let reborn = Replica(id: Self.other.id, incarnation: 23)
        let actions = machine.handle(.follower(reborn, session: 1, reported: 100), now: 1210)
        #expect(actions == [.changeInSync(4, expected: 1, inSync: [Self.me, reborn])])
        let state = GroupState(
            seenAt: 2, revision: 2, epoch: Self.epoch, master: Self.me.id, lease: 5, inSync: [Self.me, reborn])
        #expect(machine.handle(.answered(4, .done(state)), now: 1220) == [.acknowledge(100)])
    }

    @Test func handingOverLeavesNothingOpen() throws {
        var machine = try Self.master(inSync: [Self.me, Self.other])
        _ = machine.handle(.follower(Self.other, session: 1, reported: 0), now: 1200)
        _ = machine.handle(.log(end: 100, flushed: 0), now: 1210)
        #expect(machine.handle(.switchRequested(to: Self.other.id), now: 1220) == [])
        #expect(machine.refusal(now: 1220) == .handingOver)
        #expect(
            machine.handle(.follower(Self.other, session: 1, reported: 100), now: 1230)
                == [.acknowledge(100), .demote(.handedOver), .resign(lease: 5, expected: 1, heir: Self.other.id)])
        #expect(machine.refusal(now: 1230) == .notMaster)
    }
}
