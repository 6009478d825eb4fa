/// Nothing acknowledged is lost.
///
/// Model: a set. Every value whose send was acknowledged in full (`ok`) is owed to the readers; at the end each
/// queue is drained and each replica's log is scanned, and what is still owed is told apart:
///
/// 1. *Unseen*: the drain did not reach the place where the value was stored. Drain longer.
/// 2. *Undelivered*: the drain came to its end without it, and a replica's log holds it. The broker owes it.
/// 3. *Lost*: the drain came to its end, every replica's log was read to its end, and none holds it. A record whose
///    checksum does not agree is no survivor.
/// 4. *Undecided*: as 3, but some log could not be read. It may still be there.
///
/// *Recovered* is the reverse: delivered although its send came back `weak` or unknown. That is legal, and calling
/// it a duplicate or a stray would be the checker's mistake. A `weak` answer is no promise: its value may be lost.
struct LossChecker: Checker {
    private enum Fate { case unseen, undelivered, lost, undecided }

    mutating func consume(_ sighting: Sighting, at moment: Moment, _ known: Known) {
        // The ledger keeps all that this question needs.
    }

    func conclude(_ known: Known) -> [Finding] {
        var counts: [Fate: Int] = [:]
        var firsts: [Fate: ValueKey] = [:]
        var recovered = 0
        let unresolved = known.ledger.unresolved
        known.ledger.forEachValue { key, flags in
            if flags.contains(.delivered) {
                let mayHaveHappened = !flags.isDisjoint(with: [.weak, .unknown]) || unresolved.contains(key)
                if !flags.contains(.ok), mayHaveHappened { recovered += 1 }
            } else if isOwed(flags, known) {
                let fate = fate(of: key, flags, known)
                counts[fate, default: 0] += 1
                firsts[fate] = earlier(firsts[fate], key, known)
            }
        }
        var findings: [Finding] = []
        for fate in [Fate.lost, .undelivered, .unseen, .undecided] {
            guard let count = counts[fate], let first = firsts[fate] else { continue }
            if let finding = finding(fate, count, first, known) { findings.append(finding) }
        }
        findings += unread(known, counts)
        if recovered > 0, known.rules.has(.recovered) {
            findings.append(
                Finding(
                    anomaly: .recovered, status: .pass, count: recovered, rule: .legal,
                    summary: "\(recovered) delivered though their sends were not acknowledged in full"))
        }
        return findings
    }

    /// Visits every value that is lost, by producer and sequence.
    func forEachLost(_ known: Known, _ body: (ValueKey) -> Void) {
        known.ledger.forEachValue { key, flags in
            guard !flags.contains(.delivered), isOwed(flags, known), fate(of: key, flags, known) == .lost else {
                return
            }
            body(key)
        }
    }

    /// What was not read to its end can hide anything: a late duplicate, a stray, a damaged body. Told only where no
    /// message is missing because of it, for then that message tells it.
    private func unread(_ known: Known, _ counts: [Fate: Int]) -> [Finding] {
        guard !known.run.acknowledgingBrokers.isEmpty, known.run.end?.end.completed == true else { return [] }
        if counts[.unseen] == nil, !known.run.allDrained(known.rules), known.rules.has(.undrained) {
            return [undrained(known)]
        }
        if counts[.undecided] == nil, !known.run.allScanned(known.rules), known.rules.has(.unscanned) {
            return [unscanned(known)]
        }
        return []
    }

    /// Queues and replicas that a summary names; the witness tells of all.
    private static let maximumNamed = 4

    private func undrained(_ known: Known) -> Finding {
        let open = known.run.undrained(known.rules)
        let story = open.map { queue in
            let drain = known.run.drains[queue]?.drain
            let why = drain.map { $0.detail.isEmpty ? "read to \($0.reachedOffset) of \($0.maxOffset)" : $0.detail }
            return "queue \(queue.queueID) on \(queue.broker): \(why ?? "nobody drained it")"
        }
        return Finding(
            anomaly: .undrained, status: .inconclusive, count: max(1, open.count), rule: .required,
            summary: "not every queue was read to its end\(Self.named(story)); look at the broker, then run it again",
            witness: Witness(story: story, lines: open.compactMap { known.run.drains[$0]?.line }))
    }

    private func unscanned(_ known: Known) -> Finding {
        let open = known.run.unscanned(known.rules)
        let story = open.map { replica in
            "\(replica): \(known.run.scans[replica]?.scan.detail ?? "planned, and there is no scan of it")"
        }
        return Finding(
            anomaly: .unscanned, status: .inconclusive, count: max(1, open.count), rule: .required,
            summary: "not every replica's log was read to its end\(Self.named(story)); scan it, or run it again",
            witness: Witness(story: story, lines: open.compactMap { known.run.scans[$0]?.line }))
    }

    private static func named(_ story: [String]) -> String {
        guard !story.isEmpty else { return "" }
        let rest = story.count > maximumNamed ? ", and \(story.count - maximumNamed) more" : ""
        return " (\(story.prefix(maximumNamed).joined(separator: "; "))\(rest))"
    }

    private func isOwed(_ flags: Ledger.Flags, _ known: Known) -> Bool {
        flags.contains(.ok) || flags.contains(.weak) && !known.rules.has(.weakIsNoPromise)
    }

    private func fate(of key: ValueKey, _ flags: Ledger.Flags, _ known: Known) -> Fate {
        let isReachable: Bool
        if let stored = known.ledger.open[key]?.completion?.stored {
            let queue = RunRecord.QueueKey(broker: stored.broker, queueID: stored.queueID)
            isReachable = known.run.wasReachable(stored.queueOffset, in: queue, known.rules)
        } else {
            isReachable = known.run.allDrained(known.rules)
        }
        guard isReachable || !known.rules.has(.lostNeedsDrain) else { return .unseen }
        let survives =
            flags.contains(.scanned) || flags.contains(.damaged) && !known.rules.has(.damagedIsNoSurvivor)
        if survives { return .undelivered }
        return known.run.allScanned(known.rules) || !known.rules.has(.lostNeedsScan) ? .lost : .undecided
    }

    /// The minimal witness is the value that was sent first.
    private func earlier(_ a: ValueKey?, _ b: ValueKey, _ known: Known) -> ValueKey {
        guard let a, let lineA = known.ledger.open[a]?.sentLine else { return b }
        guard let lineB = known.ledger.open[b]?.sentLine else { return a }
        return lineB < lineA ? b : a
    }

    private func finding(_ fate: Fate, _ count: Int, _ first: ValueKey, _ known: Known) -> Finding? {
        let witness = Storyteller(known: known).witness(of: first)
        switch fate {
        case .lost:
            guard known.rules.has(.lost) else { return nil }
            let isAllowed = known.promises.lossAllowed
            return Finding(
                anomaly: .lost, status: isAllowed ? .pass : .fail, count: count,
                rule: isAllowed ? .measured : .forbidden,
                summary: "\(count) acknowledged and in no replica's log after drain and scan", witness: witness)
        case .undelivered:
            guard known.rules.has(.undelivered) else { return nil }
            return Finding(
                anomaly: .undelivered, status: .fail, count: count, rule: .forbidden,
                summary: "\(count) acknowledged and in a log, but not delivered by a complete drain",
                witness: witness)
        case .unseen:
            guard known.rules.has(.unseen) else { return nil }
            return Finding(
                anomaly: .unseen, status: .inconclusive, count: count, rule: .required,
                summary: "\(count) acknowledged beyond every reader's position; run again with a longer drain",
                witness: witness)
        case .undecided:
            return Finding(
                anomaly: .undecided, status: .inconclusive, count: count, rule: .required,
                summary: "\(count) acknowledged and not delivered, but not every replica's log could be read; "
                    + "run again, or scan the missing logs",
                witness: witness)
        }
    }
}
