import Testing

@testable import MQClient

/// Shares as RocketMQ 4.9's own strategies compute them.
@Suite struct RebalanceTests {
    static func queues(_ count: Int32, broker: String = "a") -> [MessageQueue] {
        (0..<count).map { MessageQueue(topic: "t", brokerName: broker, queueID: $0) }
    }

    @Test(
        arguments: [
            (RebalanceStrategy.average, Int32(8), 3, [[0, 1, 2], [3, 4, 5], [6, 7]]),
            (.average, 4, 4, [[0], [1], [2], [3]]), (.average, 2, 3, [[0], [1], []]),
            (.average, 5, 1, [[0, 1, 2, 3, 4]]), (.average, 0, 2, [[], []]),
            (.averageByCircle, 8, 3, [[0, 3, 6], [1, 4, 7], [2, 5]]), (.averageByCircle, 2, 3, [[0], [1], []]),
        ] as [(RebalanceStrategy, Int32, Int, [[Int32]])])
    func shares(strategy: RebalanceStrategy, queues: Int32, members: Int, wanted: [[Int32]]) {
        let names = (0..<members).map { "client-\($0)" }
        // Neither order matters.
        let shares = names.map {
            strategy.share(of: Self.queues(queues).reversed(), among: names.reversed(), for: $0).map(\.queueID)
        }
        #expect(shares == wanted)
    }

    @Test func nobodyOutsideOfTheGroupGetsAnything() {
        for strategy in [RebalanceStrategy.average, .averageByCircle, .consistentHash()] {
            #expect(strategy.share(of: Self.queues(4), among: ["x"], for: "y").isEmpty)
            #expect(strategy.share(of: Self.queues(4), among: [], for: "y").isEmpty)
        }
    }

    @Test func roomsTakeTheirOwnBrokersOnly() {
        let queues = Self.queues(3, broker: "r1@a") + Self.queues(2, broker: "r2@b") + Self.queues(2, broker: "plain")
        let strategy = RebalanceStrategy.machineRoom(["r1"])
        #expect(strategy.share(of: queues, among: ["x", "y"], for: "x").map(\.queueID) == [0, 2])
        #expect(strategy.share(of: queues, among: ["x", "y"], for: "y").map(\.queueID) == [1])
    }

    @Test func fixedQueuesAreTakenWhateverTheOthersHave() {
        let own = [MessageQueue(topic: "t", brokerName: "a", queueID: 2)]
        #expect(RebalanceStrategy.fixed(own).share(of: Self.queues(4), among: ["x", "y"], for: "y") == own)
        #expect(RebalanceStrategy.fixed(own).share(of: Self.queues(2), among: ["x", "y"], for: "y").isEmpty)
    }

    @Test func onTheRingEveryQueueHasOneOwnerAndFewMove() {
        let queues = Self.queues(64)
        let strategy = RebalanceStrategy.consistentHash()
        func owners(_ members: [String]) -> [MessageQueue: String] {
            var owners: [MessageQueue: String] = [:]
            for member in members {
                for queue in strategy.share(of: queues, among: members, for: member) {
                    #expect(owners.updateValue(member, forKey: queue) == nil)
                }
            }
            #expect(owners.count == 64)
            return owners
        }
        let before = owners(["a", "b", "c"])
        let after = owners(["a", "b", "c", "d"])
        // Whatever moves, moves to the new member.
        for queue in queues where before[queue] != after[queue] { #expect(after[queue] == "d") }
        #expect(after.values.contains("d"))
    }

    /// Source: RFC 1321, A.5.
    @Test(arguments: [
        ("", "d41d8cd98f00b204e9800998ecf8427e"), ("a", "0cc175b9c0f1b6a831c399e269772661"),
        ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        (
            "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            "57edf4a22be3c955ac49da2e2107b67a"
        ),
    ])
    func md5(text: String, digest: String) {
        let hex = MD5.digest(Array(text.utf8)).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }
        #expect(hex.joined() == digest)
    }

    @Test func anOffsetIsCommittedUpToTheFirstThatIsNotDone() {
        var progress = QueueProgress(from: 10)
        #expect(progress.commitOffset == 10)
        for offset in Int64(10)..<14 { progress.take(offset, bytes: 100) }
        progress.finish(11)
        #expect(progress.commitOffset == 10 && progress.openCount == 3)
        progress.finish(10)
        #expect(progress.commitOffset == 12)
        progress.finish(12)
        progress.finish(12)
        progress.finish(13)
        #expect(progress.commitOffset == 14 && progress.openCount == 0)
        progress.pass(to: 20)
        #expect(progress.commitOffset == 20)
    }

    @Test func aReaderWaitsAtEachLimit() {
        let limits = QueueProgress.Limits(messages: 3, bytes: 250, span: 10)
        var progress = QueueProgress(from: 0)
        progress.take(0, bytes: 10)
        progress.take(1, bytes: 10)
        #expect(progress.hasRoom(limits))
        progress.take(2, bytes: 10)
        #expect(!progress.hasRoom(limits))
        progress.finish(1)
        #expect(progress.hasRoom(limits))
        progress.take(3, bytes: 240)
        progress.finish(2)
        #expect(!progress.hasRoom(limits))
        progress.finish(3)
        #expect(progress.hasRoom(limits))
        progress.pass(to: 10)
        #expect(!progress.hasRoom(limits))
        progress.finish(0)
        #expect(progress.hasRoom(limits))
    }

    @Test(arguments: [
        ("*", "*", []), ("", "*", []), ("a", "a", ["a"]), ("a||b", "a || b", ["a", "b"]),
        (" a ||  b c ", "a || b c", ["a", "b c"]), ("a || *", "*", []), ("a|b", "a|b", ["a|b"]),
    ])
    func tagsAreRead(text: String, expression: String, tags: [String]) {
        let subscription = Subscription(topic: "t", expression: text)
        #expect(subscription.expression == expression)
        #expect(subscription.tags == Set(tags))
    }

    @Test func aLockThatWasNotRenewedIsNone() {
        let locks = QueueLocks()
        let queues = Self.queues(2)
        let now = ContinuousClock.now
        locks.set([queues[0]], of: queues, group: "g", asked: now)
        #expect(locks.holds(queues[0], group: "g", now: now + .seconds(29)))
        #expect(!locks.holds(queues[0], group: "g", now: now + .seconds(30)))
        #expect(!locks.holds(queues[1], group: "g", now: now))
        #expect(!locks.holds(queues[0], group: "other", now: now))
        locks.set([], of: queues, group: "g", asked: now)
        #expect(!locks.holds(queues[0], group: "g", now: now))
    }
}
