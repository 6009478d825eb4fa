/// A producer's messages stand in a queue in the order in which they were sent.
///
/// Model: each queue is a list that only grows, so of two sends of one producer into it, of which one began after the
/// other was acknowledged, the later has the larger offset. *Non-monotonic send*: it has the smaller one. Sends that
/// overlap have no order and are not compared. Where loss is permitted, an offset that is smaller because the earlier
/// value is gone from every log is part of that loss.
struct SendOrderChecker: Checker {
    private struct Lane: Hashable, Sendable {
        var producerSlot: Int
        var queue: RunRecord.QueueKey
    }

    private struct Last: Sendable {
        var key: ValueKey
        var offset: Int64
        var line: Int
    }

    private struct Conflict: Sendable {
        var earlier: Last
        var later: Last
        var queue: RunRecord.QueueKey
    }

    private static let maximumConflicts = 1 << 14
    private static let maximumLanes = 1 << 18

    private var lanes: [Lane: Last] = [:]
    private var conflicts: [Conflict] = []

    mutating func consume(_ sighting: Sighting, at moment: Moment, _ known: Known) {
        guard case .completed(let done, let attempt) = sighting, done.outcome == .ok, let stored = done.stored,
            lanes.count < Self.maximumLanes
        else { return }
        let queue = RunRecord.QueueKey(broker: stored.broker, queueID: stored.queueID)
        let lane = Lane(producerSlot: attempt.key.producerSlot, queue: queue)
        let now = Last(key: attempt.key, offset: stored.queueOffset, line: moment.line)
        guard let last = lanes[lane], now.offset < last.offset else {
            lanes[lane] = now
            return
        }
        guard attempt.line > last.line || !known.rules.has(.concurrentSendsAreUnordered) else { return }
        lanes[lane] = now
        if conflicts.count < Self.maximumConflicts {
            conflicts.append(Conflict(earlier: last, later: now, queue: queue))
        }
    }

    func conclude(_ known: Known) -> [Finding] {
        guard known.rules.has(.nonMonotonicSend) else { return [] }
        let forbidden = conflicts.filter { !isExplained($0, known) }
        guard let first = forbidden.first else { return [] }
        let (a, b) = (known.ledger.value(of: first.earlier.key), known.ledger.value(of: first.later.key))
        let witness = Witness(
            value: b,
            story: [
                "Message \(a) was acknowledged as offset \(first.earlier.offset) of queue \(first.queue.queueID) on "
                    + "\(first.queue.broker) (line \(first.earlier.line)).",
                "Message \(b) of the same producer, sent after that, was acknowledged as offset \(first.later.offset) "
                    + "(line \(first.later.line)).",
            ], lines: [first.earlier.line, first.later.line])
        return [
            Finding(
                anomaly: .nonMonotonicSend, status: .fail, count: forbidden.count, rule: .forbidden,
                summary: "\(forbidden.count) sends got a smaller offset than an earlier one of their producer",
                witness: witness)
        ]
    }

    private func isExplained(_ conflict: Conflict, _ known: Known) -> Bool {
        known.promises.lossAllowed && known.rules.has(.lossExplainsReuse) && known.run.allScanned(known.rules)
            && !known.ledger.flags(of: conflict.earlier.key).contains(.scanned)
    }
}
