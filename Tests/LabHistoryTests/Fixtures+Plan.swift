import LabHistory

/// What was planned and did not happen, what the drain and the logs say, and what stands in another place than was told.
extension Fixture {
    static let plans: [Fixture] = [
        Fixture(name: "a planned fault without a line", status: .inconclusive, finds: [.faultUnproven: 1]) { tale in
            tale.finish([0, 1, 2])
        } tale: {
            var tale = Tale(faults: ["crash"])
            tale.begin()
            return tale
        },
        Fixture(name: "the second of two planned faults has no line", status: .inconclusive, finds: [.faultUnproven: 1])
        { tale in
            tale.begin()
            tale.crash()
            tale.finish([0, 1, 2])
        } tale: {
            Tale(faults: ["crash", "wipe"])
        },
        Fixture(name: "a planned fault that struck another", status: .inconclusive, finds: [.faultUnproven: 1]) {
            tale in
            tale.begin()
            for edge in [FaultEdge.Edge.armed, .active] { tale.fault(edge, target: "broker-b on n3") }
            tale.send(3, .fail)
            tale.fault(.healed, target: "broker-b on n3")
            tale.finish([0, 1, 2])
        } tale: {
            Tale(faults: ["crash"])
        },
        Fixture(name: "a plan with a line cut out", status: .inconclusive, finds: [.planMissing: 1]) { tale in
            tale.begin()
            tale.finish([0, 1, 2])
        } tale: {
            var tale = Tale(header: false)
            tale.add(Tale.header(PlanSize(faults: 1, scans: 1)))
            tale.plan(.scan(PlannedScan(replica: "broker-a", broker: "broker-a")))
            return tale
        },
        Fixture(name: "a history of format 1", status: .inconclusive, finds: [.planMissing: 1]) { tale in
            tale.begin()
            tale.finish([0, 1, 2])
        } tale: {
            Tale(replicas: [], format: 1)
        },
        Fixture(name: "a plan after the beginning", status: .error, finds: [.malformed: 1]) { tale in
            tale.plan(.fault(PlannedFault(id: "late", kind: "k", target: "t")))
            tale.finish([0, 1, 2])
        },
        Fixture(name: "a planned replica without a scan", status: .inconclusive, finds: [.unscanned: 1]) { tale in
            tale.begin()
            tale.finish([0, 1, 2])
        } tale: {
            Tale(replicas: ["broker-a", "broker-a-slave"])
        },
        // A replica that no plan names is taken for a broker of its own.
        Fixture(
            name: "a scan of another replica than was planned", status: .inconclusive,
            finds: [.unscanned: 1, .duplicated: 3]
        ) {
            tale in
            tale.begin()
            tale.drain(reached: 3, max: 3)
            tale.scan([0, 1, 2], replica: "broker-b")
            tale.end()
        } tale: {
            Tale(replicas: ["broker-a"])
        },
        Fixture(name: "a slave's log, under its own name", status: .pass, finds: [:]) { tale in
            tale.begin()
            tale.drain(reached: 3, max: 3)
            tale.scan([0, 1, 2], replica: "slave")
            tale.end()
        } tale: {
            var tale = Tale(header: false)
            tale.add(Tale.header(PlanSize(faults: 0, scans: 1)))
            tale.plan(.scan(PlannedScan(replica: "slave", broker: "broker-a")))
            return tale
        },
        Fixture(name: "a fault that ended by itself", status: .inconclusive, finds: [.faultUnproven: 1]) { tale in
            tale.fault(.armed, uid: "wind")
            tale.fault(.active, uid: "wind")
            tale.send(4, .fail)
            tale.fault(.expired, uid: "wind")
            tale.finish([0, 1, 2])
        },
    ]

    static let drains: [Fixture] = [
        Fixture(name: "the drain reads what the consumers had", status: .pass, finds: [:]) { tale in
            for sequence in 0..<3 { tale.deliver(sequence, offset: Int64(sequence), isDrain: true) }
            tale.drain(reached: 3, max: 3, messages: 3)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "only the drain reads a message", status: .pass, finds: [:]) { tale in
            tale.send(4, offset: 3)
            for (offset, sequence) in [0, 1, 2, 4].enumerated() {
                tale.deliver(sequence, offset: Int64(offset), isDrain: true)
            }
            tale.drain(reached: 4, max: 4, messages: 4)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "the drain is given one twice", status: .pass, finds: [.duplicated: 1]) { tale in
            tale.deliver(2, offset: 2, isDrain: true)
            tale.deliver(2, offset: 2, assignment: 2, isDrain: true)
            tale.finish([0, 1, 2])
        },
        Fixture(name: "the drain finds one at a second offset", status: .pass, finds: [.duplicated: 1]) { tale in
            tale.deliver(2, offset: 2, isDrain: true)
            tale.deliver(2, offset: 3, isDrain: true)
            tale.drain(reached: 4, max: 4)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "a drain with a delivery missing", status: .inconclusive, finds: [.undrained: 1]) { tale in
            for sequence in 0..<2 { tale.deliver(sequence, offset: Int64(sequence), isDrain: true) }
            tale.drain(reached: 3, max: 3, messages: 3)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "acknowledged below where the drain began", status: .inconclusive, finds: [.unseen: 1]) { tale in
            tale.send(4, offset: 3)
            tale.drain(first: 5, reached: 8, max: 8)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "all delivered, one queue not drained", status: .inconclusive, finds: [.undrained: 1]) { tale in
            tale.send(4, offset: 0, queue: 3)
            tale.deliver(4, offset: 0, queue: 3)
            tale.finish([0, 1, 2])
        },
    ]

    static let places: [Fixture] = [
        Fixture(name: "acknowledged here, delivered there", status: .fail, finds: [.inconsistentOffset: 1]) { tale in
            tale.send(4, offset: 4)
            tale.deliver(4, offset: 3)
            tale.drain(reached: 5, max: 5)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(
            name: "delivered there before it was acknowledged here", status: .fail, finds: [.inconsistentOffset: 1]
        ) { tale in
            let operation = tale.invoke(4)
            tale.deliver(4, offset: 3)
            tale.complete(operation, .ok, offset: 4)
            tale.drain(reached: 5, max: 5)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "acknowledged in one queue, delivered in another", status: .fail, finds: [.inconsistentOffset: 1])
        { tale in
            tale.send(4, offset: 3)
            tale.deliver(4, offset: 0, queue: 1)
            tale.drain(reached: 4, max: 4)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "it stands in both places", status: .pass, finds: [.duplicated: 1]) { tale in
            tale.send(4, offset: 4)
            tale.deliver(4, offset: 3)
            tale.drain(reached: 5, max: 5)
            tale.scan([0, 1, 2, 4])
            tale.end()
        },
        Fixture(name: "delivered there, and the place here not read", status: .inconclusive, finds: [.undrained: 1]) {
            tale in
            tale.send(4, offset: 9)
            tale.deliver(4, offset: 3)
            tale.drain(reached: 4, max: 10, complete: false)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "delivered there first, and here at last", status: .pass, finds: [.duplicated: 1]) { tale in
            tale.send(4, offset: 4)
            tale.deliver(4, offset: 3)
            tale.deliver(4, offset: 4)
            tale.drain(reached: 5, max: 5)
            tale.scan([0, 1, 2])
            tale.end()
        },
        Fixture(name: "two offsets in the log alone", status: .pass, finds: [.duplicated: 1]) { tale in
            tale.drain(reached: 3, max: 3)
            tale.record(2, offset: 7)
            tale.scan([0, 1, 2], unseen: 1)
            tale.end()
        },
        Fixture(name: "two replicas hold it at one offset", status: .pass, finds: [:]) { tale in
            tale.drain(reached: 3, max: 3)
            tale.scan([0, 1, 2])
            tale.scan([0, 1, 2], replica: "slave")
            tale.end()
        } tale: {
            var tale = Tale(header: false)
            tale.add(Tale.header(PlanSize(faults: 0, scans: 2)))
            for replica in ["broker-a", "slave"] {
                tale.plan(.scan(PlannedScan(replica: replica, broker: "broker-a")))
            }
            tale.begin()
            return tale
        },
        Fixture(name: "a damaged record of a delivered message", status: .fail, finds: [.damaged: 1]) { tale in
            tale.drain(reached: 3, max: 3)
            tale.record(2, offset: 2, checksum: false)
            tale.scan([0, 1], unseen: 1)
            tale.end()
        },
        Fixture(name: "a damaged record that names no run of ours", status: .fail, finds: [.damaged: 1]) { tale in
            tale.drain(reached: 3, max: 3)
            tale.record(70, offset: 3, checksum: false, run: "r-\u{FFFD}")
            tale.scan([0, 1, 2], unseen: 1)
            tale.end()
        },
        Fixture(name: "a damaged record of a value that nobody sent", status: .fail, finds: [.damaged: 1]) { tale in
            tale.drain(reached: 3, max: 3)
            tale.record(70, offset: 3, checksum: false)
            tale.scan([0, 1, 2], unseen: 1)
            tale.end()
        },
        Fixture(name: "an answer that can't be taken apart", status: .fail, finds: [.corrupted: 1]) { tale in
            tale.add(
                .unreadable(
                    UnreadableAnswer(
                        consumer: 0, broker: "broker-a", queueID: 0, queueOffset: 3, detail: "record 0 of a pull")))
            tale.finish([0, 1, 2])
        },
    ]
}
