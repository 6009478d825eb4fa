/// An offset of a queue holds one value, and a value is at one offset.
///
/// Model: each queue is a list that only grows. Three sources say which value is where: the acknowledgement, the
/// delivery and the scan of a log. Anomalies:
///
/// 1. *Inconsistent offset*: two sources name two values for one offset of a queue, at whatever times. Then
///    replicas diverged, two masters wrote, or offsets were given out again. Where loss is permitted, an offset that
///    is given out again *because* its first value is gone from every log is part of that loss.
/// 2. *Duplicated*: a value is delivered again, from the same offset (redelivery) or from another (sent twice).
///    Both are legal under *at least once*, and counted.
///
/// A scan names a replica and not its broker; its records are held against the broker of the same name.
struct OffsetChecker: Checker {
    private struct Conflict: Sendable {
        var queue: RunRecord.QueueKey
        var offset: Int64
        var earlier: ValueKey
        var later: ValueKey
        var moment: Moment
    }

    /// Conflicts that are kept to be explained at the end; more are only counted.
    private static let maximumConflicts = 1 << 14

    private var tables: [RunRecord.QueueKey: OffsetTable] = [:]
    private var conflicts: [Conflict] = []
    private var conflictCount = 0
    private var redelivered = Tally()
    private var sentTwice = Tally()

    mutating func consume(_ sighting: Sighting, at moment: Moment, _ known: Known) {
        switch sighting {
        case .completed(let done, let attempt):
            guard let stored = done.stored else { return }
            let queue = RunRecord.QueueKey(broker: stored.broker, queueID: stored.queueID)
            _ = claim(queue, stored.queueOffset, attempt.key, moment, isDelivery: false)
        case .delivered(let delivery, let key, let before):
            let queue = RunRecord.QueueKey(broker: delivery.broker, queueID: delivery.queueID)
            let wasHere = claim(queue, delivery.queueOffset, key, moment, isDelivery: true)
            guard before.contains(.delivered) else { return }
            let witness = {
                Storyteller(known: known).witness(
                    of: key,
                    ending: [
                        "It was delivered again at \(Storyteller.seconds(moment.atNanoseconds)) (line \(moment.line)), "
                            + "from offset \(delivery.queueOffset) of queue \(delivery.queueID) on \(delivery.broker)."
                    ], lines: [moment.line])
            }
            if wasHere { redelivered.add(witness()) } else { sentTwice.add(witness()) }
        case .scanned(let record, let key, _):
            guard record.checksumAgrees else { return }
            let queue = RunRecord.QueueKey(broker: record.replica, queueID: record.queueID)
            _ = claim(queue, record.queueOffset, key, moment, isDelivery: false)
        default: break
        }
    }

    func conclude(_ known: Known) -> [Finding] {
        var findings: [Finding] = []
        let forbidden = known.promises.lossAllowed ? conflicts.filter { !isExplained($0, known) } : conflicts
        let count = known.promises.lossAllowed ? forbidden.count : conflictCount
        if let first = forbidden.first, known.rules.has(.inconsistentOffset) {
            findings.append(
                Finding(
                    anomaly: .inconsistentOffset, status: .fail, count: count, rule: .forbidden,
                    summary: "\(count) times one offset of a queue held another value than before",
                    witness: witness(first, known)))
        }
        var duplicates: [(Rules.Rule, Tally, String)] = []
        duplicates.append((.duplicateDelivery, redelivered, "delivered again from the same offset"))
        duplicates.append((.duplicateOffset, sentTwice, "delivered again from another offset"))
        for (rule, tally, text) in duplicates where tally.count > 0 && known.rules.has(rule) {
            findings.append(
                Finding(
                    anomaly: .duplicated, status: .pass, count: tally.count, rule: .legal,
                    summary: "\(tally.count) \(text)", witness: tally.first))
        }
        return findings
    }

    /// True when this very value was delivered from this offset before.
    private mutating func claim(
        _ queue: RunRecord.QueueKey, _ offset: Int64, _ key: ValueKey, _ moment: Moment, isDelivery: Bool
    ) -> Bool {
        guard tables[queue] != nil || tables.count < RunRecord.maximumQueues,
            let before = tables[queue, default: OffsetTable()].put(key, at: offset, isDelivery: isDelivery)
        else { return false }
        guard before.key != key else { return before.wasDelivered }
        conflictCount += 1
        if conflicts.count < Self.maximumConflicts {
            conflicts.append(Conflict(queue: queue, offset: offset, earlier: before.key, later: key, moment: moment))
        }
        return false
    }

    private func isExplained(_ conflict: Conflict, _ known: Known) -> Bool {
        guard known.rules.has(.lossExplainsReuse), known.run.allScanned else { return false }
        return [conflict.earlier, conflict.later].contains { !known.ledger.flags(of: $0).contains(.scanned) }
    }

    private func witness(_ conflict: Conflict, _ known: Known) -> Witness {
        let (a, b) = (known.ledger.value(of: conflict.earlier), known.ledger.value(of: conflict.later))
        return Storyteller(known: known).witness(
            of: conflict.earlier,
            ending: [
                "Offset \(conflict.offset) of queue \(conflict.queue.queueID) on \(conflict.queue.broker) was that of "
                    + "message \(a), and at \(Storyteller.seconds(conflict.moment.atNanoseconds)) "
                    + "(line \(conflict.moment.line)) that of message \(b)."
            ], lines: [conflict.moment.line])
    }
}
