/// Nothing appears that was not sent.
///
/// Model: a set. What readers are given, and what the logs hold of this run, must have been sent in this run by an
/// attempt that may have happened. Anomalies, all of them *unexpected*:
///
/// 1. Never sent: the message carries no value of ours, or one that nobody sent.
/// 2. Another run's: a message that an earlier run left behind.
/// 3. Aborted read: every attempt to send it certainly failed, yet it was delivered.
/// 4. Stored unasked: as 1 or 3, but found in a log by the scan.
///
/// An attempt that came back unknown, or never, may have happened at any time; its delivery is no anomaly. Whether
/// all attempts failed is known at the end only, for a delivery may be written before its send's completion.
struct UnexpectedChecker: Checker {
    private var neverSent = Tally()
    private var otherRun = Tally()
    private var strayRecords = Tally()

    mutating func consume(_ sighting: Sighting, at moment: Moment, _ known: Known) {
        switch sighting {
        case .strayDelivery(let delivery, let isOtherRun):
            let place = "offset \(delivery.queueOffset) of queue \(delivery.queueID) on \(delivery.broker)"
            let name = delivery.value.map { "message \($0)" } ?? "a message without a value of ours"
            let story = [
                "Consumer \(delivery.consumer) was given \(name) at \(Storyteller.seconds(moment.atNanoseconds)) "
                    + "(line \(moment.line)) from \(place).",
                isOtherRun
                    ? "It says that it is of run \(delivery.runID ?? "?"), not of this one."
                    : "Nobody had sent it in this run.",
            ]
            let witness = Witness(value: delivery.value, story: story, lines: [moment.line])
            if isOtherRun { otherRun.add(witness) } else { neverSent.add(witness) }
        case .strayRecord(let record):
            let name = record.value.map { "message \($0)" } ?? "a message without a value of ours"
            strayRecords.add(
                Witness(
                    value: record.value,
                    story: [
                        "The log of \(record.replica) holds \(name) of this run at byte \(record.logOffset) "
                            + "(line \(moment.line)), which nobody sent."
                    ], lines: [moment.line]))
        default: break
        }
    }

    func conclude(_ known: Known) -> [Finding] {
        var aborted = Tally()
        var storedUnasked = strayRecords
        let unresolved = known.ledger.unresolved
        let storyteller = Storyteller(known: known)
        let possible: Ledger.Flags =
            known.rules.has(.unknownMayHaveHappened) ? [.ok, .weak, .unknown] : [.ok, .weak]
        known.ledger.forEachValue { key, flags in
            guard !flags.isDisjoint(with: [.delivered, .scanned]), flags.isDisjoint(with: possible) else { return }
            if known.rules.has(.unknownMayHaveHappened), unresolved.contains(key) { return }
            if flags.contains(.delivered) {
                aborted.add(storyteller.witness(of: key, ending: ["It was delivered all the same."]))
            } else {
                storedUnasked.add(storyteller.witness(of: key, ending: ["It was stored all the same."]))
            }
        }
        let cases: [(Rules.Rule, Tally, String)] = [
            (.neverSent, neverSent, "delivered though nobody sent them"),
            (.otherRun, otherRun, "delivered that another run had sent"),
            (.abortedRead, aborted, "delivered though their sends certainly failed"),
            (.storedUnasked, storedUnasked, "stored though not sent, or though their sends certainly failed"),
        ]
        return cases.compactMap { rule, tally, text in
            guard tally.count > 0, known.rules.has(rule) else { return nil }
            return Finding(
                anomaly: .unexpected, status: .fail, count: tally.count, rule: .forbidden,
                summary: "\(tally.count) \(text)", witness: tally.first)
        }
    }
}
