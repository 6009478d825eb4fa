/// An offset of a queue holds one value, and a value is at one offset.
///
/// Model: each queue is a list that only grows. Three sources say which value is where: the acknowledgement, the
/// delivery and the scan of a log. Anomalies:
///
/// 1. *Inconsistent offset*: two sources name two values for one offset of a queue, at whatever times. Then
///    replicas diverged, two masters wrote, or offsets were given out again. Where loss is permitted, an offset that
///    is given out again *because* its first value is gone from every log is part of that loss. So is, whatever is permitted,
///    one of a value that was only stored weakly, that nobody was given and that is gone from every log: a new master goes on
///    without what was never acknowledged.
/// 2. *Inconsistent offset*, too: a value was acknowledged at a place that the drain passed and every log was scanned
///    for, and it was delivered from another place only. The acknowledgement named a place that never held it.
/// 3. *Duplicated*: a value is delivered again, from the same offset (redelivery) or from another (sent twice), or the
///    scan finds it at an offset besides the one that was known. All are legal under *at least once*, and counted.
///
/// The drain reads on purpose what the consumers were given before; only what it reads twice itself is a redelivery.
/// A scan names a replica; the plan says of which broker it is one.
struct OffsetChecker: Checker {
    private struct Conflict: Sendable {
        var queue: RunRecord.QueueKey
        var offset: Int64
        var earlier: ValueKey
        var later: ValueKey
        var moment: Moment
    }

    /// A value that was delivered, but not (yet) from where it was acknowledged.
    private struct Misplacement: Sendable {
        var acknowledged: QueuePlace
        var delivered: QueuePlace
        var moment: Moment
        /// The scan found it where it was acknowledged as well: it stands at two offsets.
        var standsThere = false
    }

    /// Conflicts that are kept to be explained at the end; more are only counted.
    private static let maximumConflicts = 1 << 14
    /// Misplaced values that are kept until the end; more are not told.
    private static let maximumMisplacements = 1 << 14

    private var tables: [RunRecord.QueueKey: OffsetTable] = [:]
    private var conflicts: [Conflict] = []
    private var conflictCount = 0
    private var misplaced: [ValueKey: Misplacement] = [:]
    private var redelivered = Tally()
    private var sentTwice = Tally()
    private var storedTwice = Tally()

    mutating func consume(_ sighting: Sighting, at moment: Moment, _ known: Known) {
        switch sighting {
        case .completed(let done, let attempt):
            guard let stored = done.stored else { return }
            let place = QueuePlace(stored)
            let before = claim(place, attempt.key, moment, .acknowledgement)
            guard done.outcome == .ok, before?.key != attempt.key || before?.wasDelivered != true else { return }
            noteIfMisplaced(attempt.key, acknowledged: place, moment, known)
        case .delivered(let delivery, let key, let before): deliver(delivery, key, before, moment, known)
        case .scanned(let record, let key, let before):
            guard record.checksumAgrees else { return }
            let queue = RunRecord.QueueKey(broker: known.run.broker(of: record.replica), queueID: record.queueID)
            let place = QueuePlace(queue: queue, offset: record.queueOffset)
            let held = claim(place, key, moment, .scan)
            if misplaced[key]?.acknowledged == place { misplaced[key]?.standsThere = true }
            guard held?.key != key, before.contains(.placed) else { return }
            storedTwice.add(
                Storyteller(known: known).witness(
                    of: key,
                    ending: [
                        "The log of \(record.replica) holds it (again) for \(place.text) (line \(moment.line))."
                    ], lines: [moment.line]))
        default: break
        }
    }

    private mutating func deliver(
        _ delivery: Delivery, _ key: ValueKey, _ before: Ledger.Flags, _ moment: Moment, _ known: Known
    ) {
        let place = QueuePlace(delivery)
        let isDrain = delivery.isDrain && known.rules.has(.drainMakesNoDuplicate)
        let held = claim(place, key, moment, isDrain ? .drain : .consumer)
        let here = held?.key == key ? held : nil
        if misplaced[key]?.acknowledged == place { misplaced[key] = nil }
        guard before.contains(.delivered) else {
            if before.contains(.ok), let stored = known.ledger.open[key]?.completion?.stored,
                QueuePlace(stored) != place
            {
                noteIfMisplaced(key, acknowledged: QueuePlace(stored), moment, known)
            }
            return
        }
        let wasReadHere = isDrain ? here?.wasDrained == true : here?.wasConsumed == true
        let witness = {
            Storyteller(known: known).witness(
                of: key,
                ending: [
                    "It was delivered again at \(Storyteller.seconds(moment.atNanoseconds)) (line \(moment.line)), "
                        + "from \(place.text)."
                ], lines: [moment.line])
        }
        if wasReadHere {
            redelivered.add(witness())
        } else if here?.wasDelivered != true {
            sentTwice.add(witness())
        }
    }

    /// Keeps a value that was delivered from elsewhere than it was acknowledged. One whose first delivery is long
    /// forgotten was settled, by a delivery from where an earlier attempt was acknowledged.
    private mutating func noteIfMisplaced(
        _ key: ValueKey, acknowledged: QueuePlace, _ moment: Moment, _ known: Known
    ) {
        guard let delivered = known.ledger.open[key]?.deliveredFrom, delivered != acknowledged, misplaced[key] == nil,
            misplaced.count < Self.maximumMisplacements
        else { return }
        misplaced[key] = Misplacement(acknowledged: acknowledged, delivered: delivered, moment: moment)
    }

    func conclude(_ known: Known) -> [Finding] {
        inconsistencies(known) + misplacements(known) + duplicates(known)
    }

    private func inconsistencies(_ known: Known) -> [Finding] {
        let forbidden = conflicts.filter { !isExplained($0, known) }
        let count =
            known.promises.lossAllowed ? forbidden.count : conflictCount - (conflicts.count - forbidden.count)
        guard let first = forbidden.first, known.rules.has(.inconsistentOffset) else { return [] }
        return [
            Finding(
                anomaly: .inconsistentOffset, status: .fail, count: count, rule: .forbidden,
                summary: "\(count) times one offset of a queue held another value than before",
                witness: witness(first, known))
        ]
    }

    private func misplacements(_ known: Known) -> [Finding] {
        guard known.rules.has(.misplaced), known.run.allScanned(known.rules) else { return [] }
        let broken = misplaced.filter { _, one in
            !one.standsThere
                && known.run.wasReachable(one.acknowledged.offset, in: one.acknowledged.queue, known.rules)
        }
        guard let (key, first) = broken.min(by: { $0.value.moment.line < $1.value.moment.line }) else { return [] }
        let witness = Storyteller(known: known).witness(
            of: key,
            ending: [
                "Message \(known.ledger.value(of: key)) was acknowledged as \(first.acknowledged.text), and it was "
                    + "delivered from \(first.delivered.text) (line \(first.moment.line)) and never from there."
            ], lines: [first.moment.line])
        return [
            Finding(
                anomaly: .inconsistentOffset, status: .fail, count: broken.count, rule: .forbidden,
                summary: "\(broken.count) delivered from another place than was acknowledged, which never held them",
                witness: witness)
        ]
    }

    private func duplicates(_ known: Known) -> [Finding] {
        var stored = storedTwice
        for (key, one) in misplaced.sorted(by: { $0.value.moment.line < $1.value.moment.line })
        where one.standsThere {
            stored.add(
                Storyteller(known: known).witness(
                    of: key, ending: ["A log holds it for \(one.acknowledged.text) and for \(one.delivered.text)."],
                    lines: [one.moment.line]))
        }
        let cases: [(Rules.Rule, Tally, String)] = [
            (.duplicateDelivery, redelivered, "delivered again from the same offset"),
            (.duplicateOffset, sentTwice, "delivered again from another offset"),
            (.duplicateInLog, stored, "found in a log at one more offset"),
        ]
        return cases.compactMap { rule, tally, text in
            guard tally.count > 0, known.rules.has(rule) else { return nil }
            return Finding(
                anomaly: .duplicated, status: .pass, count: tally.count, rule: .legal,
                summary: "\(tally.count) \(text)", witness: tally.first)
        }
    }

    /// Notes that a source sees a value at a place, and gives what stood there before.
    private mutating func claim(
        _ place: QueuePlace, _ key: ValueKey, _ moment: Moment, _ source: OffsetTable.Source
    ) -> OffsetTable.Before? {
        guard tables[place.queue] != nil || tables.count < RunRecord.maximumQueues,
            let before = tables[place.queue, default: OffsetTable()].put(key, at: place.offset, source)
        else { return nil }
        guard before.key != key else { return before }
        conflictCount += 1
        if conflicts.count < Self.maximumConflicts {
            conflicts.append(
                Conflict(queue: place.queue, offset: place.offset, earlier: before.key, later: key, moment: moment))
        }
        return before
    }

    private func isExplained(_ conflict: Conflict, _ known: Known) -> Bool {
        guard known.run.allScanned(known.rules) else { return false }
        let gone = [conflict.earlier, conflict.later].map { known.ledger.flags(of: $0) }
            .filter { !$0.contains(.scanned) }
        if known.promises.lossAllowed, known.rules.has(.lossExplainsReuse), !gone.isEmpty { return true }
        return known.rules.has(.weakReuse)
            && gone.contains { $0.contains(.weak) && !$0.contains(.ok) && !$0.contains(.delivered) }
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
