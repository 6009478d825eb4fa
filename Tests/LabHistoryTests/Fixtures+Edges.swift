import LabHistory

/// Cases in which one condition of a checker alone decides; each was found by breaking that condition and seeing no test fail.
extension Fixture {
    static let edges: [Fixture] = reachEdges + placeEdges + proofEdges

    /// As `healthy`, with the logs of these replicas to be scanned, each of the broker that is named.
    private static func healthy(replicas: [(name: String, broker: String)]) -> Tale {
        var tale = Tale(header: false)
        tale.add(Tale.header(PlanSize(faults: 1, scans: replicas.count)))
        tale.plan(.fault(PlannedFault(id: "crash", kind: "process-signal", target: "broker-a on n2")))
        for (name, broker) in replicas { tale.plan(.scan(PlannedScan(replica: name, broker: broker))) }
        tale.begin()
        tale.crash()
        return tale
    }

    /// What was read to its end, and what may be said of the rest.
    private static let reachEdges: [Fixture] = [
        // Where nobody knows the place of a message, all must have been read.
        Fixture(
            name: "a message without a place, and one queue not drained", status: .inconclusive, finds: [.unseen: 1]
        ) { tale in
            tale.send(4)
            tale.send(5, offset: 0, queue: 3)
            tale.deliver(5, offset: 0, queue: 3)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a message without a place, and nothing drained", status: .inconclusive, finds: [.unseen: 1]) {
            tale in
            tale.send(0)
            tale.scan([])
            tale.end()
        } tale: {
            Tale()
        },
        Fixture(name: "a message without a place, and all was drained", status: .fail, finds: [.lost: 1]) { tale in
            tale.send(4)
            tale.finish([0, 1, 2])
        },
        // A broker that acknowledged, and of which the plan scans no replica.
        Fixture(
            name: "two replicas of one broker, and none of the other", status: .inconclusive, finds: [.undecided: 1]
        ) { tale in
            tale.send(4, offset: 0, broker: "broker-b")
            tale.drain(reached: 3, max: 3)
            tale.drain(reached: 0, max: 0, broker: "broker-b")
            tale.scan([0, 1, 2])
            tale.scan([0, 1, 2], replica: "slave")
            tale.end()
        } tale: {
            healthy(replicas: [("broker-a", "broker-a"), ("slave", "broker-a")])
        },
        // Without a plan, as many replicas as brokers that acknowledged.
        Fixture(
            name: "no plan, two brokers, one scan", status: .inconclusive, finds: [.planMissing: 1, .undecided: 1]
        ) { tale in
            tale.begin()
            tale.send(4, offset: 0, broker: "broker-b")
            tale.drain(reached: 3, max: 3)
            tale.drain(reached: 0, max: 0, broker: "broker-b")
            tale.scan([0, 1, 2])
            tale.end()
        } tale: {
            Tale(replicas: [], format: 1)
        },
        Fixture(
            name: "no plan, one broker, no scan", status: .inconclusive, finds: [.planMissing: 1, .undecided: 1]
        ) { tale in
            tale.begin()
            tale.send(4, offset: 3)
            tale.drain(reached: 4, max: 4)
            tale.end()
        } tale: {
            Tale(replicas: [], format: 1)
        },
    ]

    /// Where a value stands.
    private static let placeEdges: [Fixture] = [
        Fixture(name: "a weak answer names a place that never held it", status: .pass, finds: [.recovered: 1]) { tale in
            let operation = tale.invoke(4)
            tale.deliver(4, offset: 3)
            tale.complete(operation, .weak, offset: 4)
            tale.drain(reached: 5, max: 5)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "weakly here, delivered there", status: .pass, finds: [.recovered: 1]) { tale in
            tale.send(4, .weak, offset: 4)
            tale.deliver(4, offset: 3)
            tale.drain(reached: 5, max: 5)
            tale.scan([0, 1, 2])
            tale.end()
        },
        // Not every log was read: it may stand in one of them.
        Fixture(name: "delivered there, and the logs not read", status: .inconclusive, finds: [.unscanned: 1]) { tale in
            tale.send(4, offset: 4)
            tale.deliver(4, offset: 3)
            tale.drain(reached: 5, max: 5)
            tale.scan([0, 1, 2], complete: false)
            tale.end()
        },
        Fixture(
            name: "an offset given out again, and no log that would show why", status: .fail,
            finds: [.inconsistentOffset: 1, .unscanned: 1]
        ) { tale in
            tale.promises.lossAllowed = true
            tale.send(4, offset: 3)
            tale.deliver(4, offset: 3)
            tale.send(5, offset: 3)
            tale.deliver(5, offset: 3, assignment: 2)
            tale.drain(reached: 4, max: 4)
            tale.scan([0, 1, 2], complete: false)
            tale.end()
        },
        // A new master goes on without what its predecessor had alone and never acknowledged.
        Fixture(name: "an unconfirmed message is cut, and its offset given out again", status: .pass, finds: [:]) {
            tale in
            tale.send(4, .weak, offset: 3)
            tale.send(5, offset: 3)
            tale.deliver(5, offset: 3)
            tale.drain(reached: 4, max: 4)
            tale.record(5, offset: 3)
            tale.scan([0, 1, 2], unseen: 1)
            tale.end()
        },
        // Whoever was given it has read a queue that went back.
        Fixture(
            name: "an unconfirmed message is cut that somebody had read", status: .fail,
            finds: [.inconsistentOffset: 1, .recovered: 1]
        ) { tale in
            tale.send(4, .weak, offset: 3)
            tale.deliver(4, offset: 3)
            tale.send(5, offset: 3)
            tale.deliver(5, offset: 3, assignment: 2)
            tale.drain(reached: 4, max: 4)
            tale.record(5, offset: 3)
            tale.scan([0, 1, 2], unseen: 1)
            tale.end()
        },
        // The first came late: what was lost is the value that is seen last. (The place is known by the last who claimed
        // it, so that the scan counts the other as found anew, which is legal.)
        Fixture(
            name: "a lost message is told after the one that took its place", status: .pass,
            finds: [.lost: 1, .duplicated: 1]
        ) {
            tale in
            tale.promises.lossAllowed = true
            let late = tale.invoke(4)
            tale.send(5, offset: 3)
            tale.deliver(5, offset: 3)
            tale.complete(late, .ok, offset: 3)
            tale.drain(reached: 4, max: 4)
            tale.record(5, offset: 3)
            tale.scan([0, 1, 2], unseen: 1)
            tale.end()
        },
    ]

    /// Faults and endings of which one line decides.
    private static let proofEdges: [Fixture] = [
        Fixture(name: "a fault that is stuck before it was seen", status: .inconclusive, finds: [.faultUnproven: 1]) {
            tale in
            tale.fault(.armed, uid: "wind")
            tale.fault(.stuck, uid: "wind")
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a fault that was only asked for", status: .inconclusive, finds: [.faultUnproven: 1]) { tale in
            tale.fault(.asked, uid: "wind")
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a complete run that says it was interrupted", status: .pass, finds: [:]) { tale in
            tale.drain(reached: 3, max: 3)
            tale.scan([0, 1, 2])
            tale.end(completed: true, isInterrupted: true)
        },
        // A planned fault that the run never came to is no gap of its own.
        Fixture(name: "broken off before its fault", status: .error, finds: [.labBroke: 1]) { tale in
            tale.begin()
            tale.end(completed: false)
        } tale: {
            Tale(faults: ["crash"])
        },
        Fixture(name: "a plan with a scan cut out", status: .inconclusive, finds: [.planMissing: 1]) { tale in
            tale.begin()
            tale.finish([0, 1, 2])
        } tale: {
            var tale = Tale(header: false)
            tale.add(Tale.header(PlanSize(faults: 0, scans: 2)))
            tale.plan(.scan(PlannedScan(replica: "broker-a", broker: "broker-a")))
            return tale
        },
        Fixture(name: "a planned fault that was another deed", status: .inconclusive, finds: [.faultUnproven: 1]) {
            tale in
            tale.finish([0, 1, 2])
        } tale: {
            var tale = Tale(header: false)
            tale.add(Tale.header(PlanSize(faults: 1, scans: 1)))
            tale.plan(.fault(PlannedFault(id: "crash", kind: "power-loss", target: "broker-a on n2")))
            tale.plan(.scan(PlannedScan(replica: "broker-a", broker: "broker-a")))
            tale.begin()
            tale.crash()
            return tale
        },
    ]
}
