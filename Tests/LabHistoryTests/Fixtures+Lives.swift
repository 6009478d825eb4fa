import LabHistory

/// Which life of a broker a lost message and what survived behind it are of, and how long before its own fault it was lost.
extension Fixture {
    /// 0 to 3 at the places of their numbers in the log, and 4 as told; then a fault.
    private static func beforeTheCut(_ last: (inout Tale) -> Void, tail: Int64? = nil) -> Tale {
        var tale = Tale(faults: ["crash"])
        tale.permitLosses(true, tailMilliseconds: tail)
        for sequence in 0..<4 { tale.place(sequence, log: Int64(sequence)) }
        last(&tale)
        tale.crash { $0.send(99, .fail) }
        return tale
    }

    /// As `cut`, with the logs of these replicas to be scanned, each of the broker that is named.
    private static func cut(replicas: [(name: String, broker: String)]) -> Tale {
        var tale = Tale(header: false)
        tale.add(Tale.header(PlanSize(faults: 1, scans: replicas.count)))
        tale.permitLosses(true)
        tale.plan(.fault(PlannedFault(id: "crash", kind: "process-signal", target: "broker-a on n2")))
        for (name, broker) in replicas { tale.plan(.scan(PlannedScan(replica: name, broker: broker))) }
        return tale
    }

    static let lives: [Fixture] = holes + beginnings + bounds

    /// What stands behind a lost message, and shows that it was no tail.
    private static let holes: [Fixture] = [
        Fixture(
            name: "a hole before one that was stored weakly", status: .fail,
            finds: [.lost: 1, .lostBeforeTail: 1, .recovered: 1]
        ) { tale in
            tale.finishQueues([0, 1, 2, 4], logs: [0, 1, 2, 4])
        } tale: {
            beforeTheCut { $0.place(4, log: 4, outcome: .weak) }
        },
        Fixture(
            name: "a hole before one whose sender heard nothing", status: .fail,
            finds: [.lost: 1, .lostBeforeTail: 1, .recovered: 1]
        ) { tale in
            tale.finishQueues([0, 1, 2, 4], logs: [0, 1, 2, 4])
        } tale: {
            beforeTheCut { $0.send(4, .info) }
        },
        Fixture(name: "a damaged record behind is no survivor", status: .fail, finds: [.lost: 2, .damaged: 1]) { tale in
            tale.finishQueues([0, 1, 2], logs: [0, 1, 2], damaged: [(4, 4)])
        } tale: {
            beforeTheCut { $0.place(4, log: 4) }
        },
        Fixture(
            name: "a hole that the slave's log shows, and the master's is shorter", status: .fail,
            finds: [.lost: 1, .lostBeforeTail: 1]
        ) { tale in
            tale.drainQueues([0, 1, 2, 4])
            tale.scan([0, 1, 2, 4], logs: [0, 1, 2, 4], replica: "slave")
            tale.scan([0, 1, 2], logs: [0, 1, 2])
            tale.end()
        } tale: {
            var tale = cut(replicas: [("broker-a", "broker-a"), ("slave", "broker-a")])
            for sequence in 0..<5 { tale.place(sequence, log: Int64(sequence)) }
            tale.crash { $0.send(99, .fail) }
            return tale
        },
        Fixture(name: "another broker's log tells nothing of this one", status: .pass, finds: [.lost: 1]) { tale in
            tale.drainQueues([0, 1])
            tale.deliver(4, offset: 0, broker: "broker-b", isDrain: true)
            tale.drain(reached: 1, max: 1, broker: "broker-b")
            tale.scan([0, 1], logs: [0, 1])
            tale.scan([4], logs: [9], replica: "broker-b")
            tale.end()
        } tale: {
            var tale = cut(replicas: [("broker-a", "broker-a"), ("broker-b", "broker-b")])
            for sequence in 0..<3 { tale.place(sequence, log: Int64(sequence)) }
            tale.complete(tale.invoke(4), .ok, offset: 0, broker: "broker-b", offsetID: Tale.offsetID(log: 9 * 300))
            tale.crash { $0.send(99, .fail) }
            return tale
        },
        Fixture(
            name: "a hole before one acknowledged while the fault was being made", status: .fail,
            finds: [.lost: 1, .lostBeforeTail: 1]
        ) { tale in
            tale.fault(.armed)
            tale.place(4, log: 4)
            tale.fault(.active)
            tale.send(99, .fail)
            tale.fault(.healed)
            tale.finishQueues([0, 1, 2, 4], logs: [0, 1, 2, 4])
        } tale: {
            var tale = Tale(faults: ["crash"])
            tale.permitLosses(true)
            for sequence in 0..<4 { tale.place(sequence, log: Int64(sequence)) }
            return tale
        },
    ]

    /// Where a later life's part of the log begins.
    private static let beginnings: [Fixture] = [
        Fixture(
            name: "the next life begins with some whose senders heard nothing", status: .pass,
            finds: [.lost: 2, .recovered: 2]
        ) { tale in
            tale.send(4, .info)
            tale.send(5, .info)
            tale.place(6, log: 4, offset: 2)
            tale.finishQueues([0, 1, 4, 5, 6], logs: [0, 1, 2, 3, 4])
        } tale: {
            cut()
        },
        Fixture(name: "the first place of the next life is that life's", status: .pass, finds: [.lost: 2]) { tale in
            tale.place(5, log: 3, offset: 1)
            tale.finishQueues([0, 1, 5], logs: [0, 1, 3])
        } tale: {
            cut()
        },
        Fixture(name: "the next life's first answers come out of order", status: .pass, finds: [.lost: 2]) { tale in
            let (first, second) = (tale.invoke(4), tale.invoke(5))
            tale.complete(second, .ok, offset: 1, queue: 1, offsetID: Tale.offsetID(log: 4 * 300))
            tale.complete(first, .ok, offset: 1, queue: 0, offsetID: Tale.offsetID(log: 3 * 300))
            tale.finishQueues([0, 1, 4, 5], logs: [0, 1, 3, 4])
        } tale: {
            cut()
        },
        Fixture(
            name: "the next life begins with a weak answer", status: .pass, finds: [.lost: 2, .recovered: 1]
        ) { tale in
            tale.place(4, log: 3, offset: 1, outcome: .weak)
            tale.place(5, log: 4, offset: 1)
            tale.finishQueues([0, 1, 4, 5], logs: [0, 1, 3, 4])
        } tale: {
            cut()
        },
    ]

    /// How long before which fault.
    private static let bounds: [Fixture] = [
        // Acknowledged at 8 ms; the host was asked at 10 ms, and the fault seen at 11 ms.
        Fixture(name: "lost just in time", status: .pass, finds: [.lost: 1]) { tale in
            tale.finishQueues([0, 1, 2], logs: [0, 1, 2])
        } tale: {
            beforeTheCut({ _ in }, tail: 2)
        },
        Fixture(name: "lost just too late", status: .fail, finds: [.lost: 1, .lostBeforeTail: 1]) { tale in
            tale.finishQueues([0, 1, 2], logs: [0, 1, 2])
        } tale: {
            beforeTheCut({ _ in }, tail: 1)
        },
        Fixture(
            name: "lost in the second life, long after it had to be flushed", status: .fail,
            finds: [.lost: 3, .lostBeforeTail: 1]
        ) { tale in
            tale.place(4, log: 2, offset: 1)
            tale.wait(milliseconds: 501)
            tale.crash(uid: "second") { $0.send(98, .fail) }
            tale.finishQueues([0, 1], logs: [0, 1])
        } tale: {
            cut(500)
        },
        Fixture(name: "lost at the first fault, long before the second", status: .pass, finds: [.lost: 2]) { tale in
            tale.place(4, log: 2, offset: 1)
            tale.wait(milliseconds: 10_000)
            tale.crash(uid: "second") { $0.send(98, .fail) }
            tale.finishQueues([0, 1, 4], logs: [0, 1, 2])
        } tale: {
            cut(500)
        },
    ]
}
