import LabHistory

/// Losses that are permitted, and what they are still held to: they are the end of a log, and a recent one.
extension Fixture {
    /// 0 and 2 in queue 0, 1 and 3 in queue 1, in the order of the log; then a fault.
    static func cut(_ tail: Int64? = nil) -> Tale {
        var tale = Tale(faults: ["crash"])
        tale.permitLosses(true, tailMilliseconds: tail)
        tale.add(.phase("baseline"))
        for sequence in 0..<4 { tale.place(sequence, log: Int64(sequence)) }
        tale.crash { $0.send(99, .fail) }
        return tale
    }

    static let tails: [Fixture] = [
        Fixture(name: "the end of the log is lost, and written over", status: .pass, finds: [.lost: 2]) { tale in
            // 4 stands where 2 stood and 5, 6 where nothing was before: behind what is lost, and of a later life.
            for (sequence, log) in [(4, 2), (5, 3), (6, 4)] {
                tale.place(sequence, log: Int64(log), offset: Int64(log) / 2)
            }
            tale.finishQueues([0, 1, 4, 5, 6], logs: [0, 1, 2, 3, 4])
        } tale: {
            cut()
        },
        Fixture(name: "the end of the log is lost, in time", status: .pass, finds: [.lost: 2]) { tale in
            tale.finishQueues([0, 1], logs: [0, 1])
        } tale: {
            cut(500)
        },
        Fixture(name: "all of the log is lost", status: .pass, finds: [.lost: 4]) { tale in
            tale.finishQueues([], logs: [])
        } tale: {
            cut()
        },
        Fixture(name: "a hole in the log", status: .fail, finds: [.lost: 1, .lostBeforeTail: 1]) { tale in
            // Queue 1 lost its last message, as a suffix would be; 3 stood before 4 in the log all the same.
            tale.finishQueues([0, 1, 2, 4], logs: [0, 1, 2, 4])
        } tale: {
            var tale = Tale(faults: ["crash"])
            tale.permitLosses(true)
            for sequence in 0..<5 { tale.place(sequence, log: Int64(sequence)) }
            tale.crash { $0.send(99, .fail) }
            return tale
        },
        Fixture(name: "lost long after it had to be flushed", status: .fail, finds: [.lost: 1, .lostBeforeTail: 1]) {
            tale in
            tale.wait(milliseconds: 501)
            tale.crash { $0.send(99, .fail) }
            tale.finishQueues([0, 1, 2], logs: [0, 1, 2])
        } tale: {
            var tale = Tale(faults: ["crash"])
            tale.permitLosses(true, tailMilliseconds: 500)
            for sequence in 0..<4 { tale.place(sequence, log: Int64(sequence)) }
            return tale
        },
        Fixture(name: "lost without any fault after it", status: .fail, finds: [.lost: 1, .lostBeforeTail: 1]) { tale in
            tale.place(4, log: 4)
            tale.finishQueues([0, 1, 2, 3], logs: [0, 1, 2, 3])
        } tale: {
            cut(500)
        },
        Fixture(name: "two cuts, two tails", status: .pass, finds: [.lost: 2]) { tale in
            tale.place(4, log: 3, offset: 2)
            tale.place(5, log: 4, offset: 1)
            tale.crash { $0.send(99, .fail) }
            tale.finishQueues([0, 1, 2, 4], logs: [0, 1, 2, 3])
        } tale: {
            cut()
        },
        Fixture(name: "a hole in the second life", status: .fail, finds: [.lost: 2, .lostBeforeTail: 1]) { tale in
            tale.place(4, log: 3, offset: 2)
            tale.place(5, log: 4, offset: 1)
            tale.crash { $0.send(99, .fail) }
            tale.finishQueues([0, 1, 2, 5], logs: [0, 1, 2, 4])
        } tale: {
            cut()
        },
        Fixture(name: "a loss without a place", status: .inconclusive, finds: [.lost: 1, .lostBeforeTail: 1]) { tale in
            tale.place(3, log: 3, offsetID: "none")
            tale.crash { $0.send(99, .fail) }
            tale.finishQueues([0, 1, 2], logs: [0, 1, 2])
        } tale: {
            var tale = Tale(faults: ["crash"])
            tale.permitLosses(true)
            for sequence in 0..<3 { tale.place(sequence, log: Int64(sequence)) }
            return tale
        },
        Fixture(name: "a hole where nothing may be lost", status: .fail, finds: [.lost: 1]) { tale in
            tale.permitLosses(false)
            tale.finishQueues([0, 1, 3], logs: [0, 1, 3])
        } tale: {
            cut()
        },
    ]
}

extension Tale {
    /// A message of an even number in queue 0, of an odd one in queue 1, at the so-many-th place of the log.
    mutating func place(
        _ sequence: Int, log: Int64, offset: Int64? = nil, offsetID: String? = nil, outcome: SendOutcome = .ok
    ) {
        complete(
            invoke(sequence), outcome, offset: offset ?? Int64(sequence / 2), queue: sequence % 2,
            offsetID: offsetID ?? Self.offsetID(log: log * 300))
    }

    /// Drain, scan and end of a run whose log holds these at these places; their queue offsets are what is free.
    mutating func finishQueues(_ sequences: [Int], logs: [Int64], damaged: [(sequence: Int, log: Int64)] = []) {
        drainQueues(sequences)
        scan(sequences, logs: logs, damaged: damaged)
        end()
    }

    /// A drain of both queues, which hold these.
    mutating func drainQueues(_ sequences: [Int]) {
        for queue in 0..<2 {
            let end = Int64(sequences.count { $0 % 2 == queue })
            for (offset, sequence) in sequences.filter({ $0 % 2 == queue }).enumerated() {
                deliver(sequence, offset: Int64(offset), queue: queue, isDrain: true)
            }
            drain(reached: end, max: end, queue: queue)
        }
    }

    /// A scan of a log that holds these at these places, and some that are damaged.
    mutating func scan(
        _ sequences: [Int], logs: [Int64], replica: String = "broker-a", damaged: [(sequence: Int, log: Int64)] = []
    ) {
        func record(_ sequence: Int, _ offset: Int, _ log: Int64, isWhole: Bool) -> HistoryEvent.Body {
            .scanned(
                ScannedRecord(
                    replica: replica, queueID: sequence % 2, queueOffset: Int64(offset), logOffset: log * 300,
                    value: Self.value(sequence), runID: Tale.runID, checksumAgrees: isWhole))
        }
        for (sequence, log) in zip(sequences, logs) {
            let before = sequences.prefix { $0 != sequence }.count { $0 % 2 == sequence % 2 }
            add(record(sequence, before, log, isWhole: true))
        }
        for (sequence, log) in damaged { add(record(sequence, sequence / 2, log, isWhole: false)) }
        add(
            .scanEnded(
                ReplicaScan(
                    replica: replica, records: sequences.count + damaged.count,
                    endOffset: ((logs.last ?? -1) + 1) * 300, complete: true, detail: "")))
    }
}
