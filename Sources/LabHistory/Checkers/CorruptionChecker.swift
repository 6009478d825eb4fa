/// What is delivered is what was sent.
///
/// Model: a map from value to body. *Corrupted*: a delivered body whose 64-bit hash differs from the hash that the
/// producer took before the first byte left, or an answer to a reader that is no message at all. A repeated delivery
/// is compared as well. A damaged record that the broker withholds is no corruption but a loss, see `LossChecker`;
/// what the log itself holds is `DamageChecker`'s.
struct CorruptionChecker: Checker {
    private var tally = Tally()
    private var unreadable = Tally()

    mutating func consume(_ sighting: Sighting, at moment: Moment, _ known: Known) {
        if case .unreadable(let answer) = sighting {
            unreadable.add(
                Witness(
                    story: [
                        "Consumer \(answer.consumer) asked \(answer.broker) for offset \(answer.queueOffset) of queue "
                            + "\(answer.queueID), and at \(Storyteller.seconds(moment.atNanoseconds)) "
                            + "(line \(moment.line)) it got what is no answer: \(answer.detail)."
                    ], lines: [moment.line]))
        }
        guard case .delivered(let delivery, let key, _) = sighting, delivery.bodyHash != known.ledger.hash(of: key)
        else { return }
        let ending =
            "Consumer \(delivery.consumer) was given another body at \(Storyteller.seconds(moment.atNanoseconds)) "
            + "(line \(moment.line)), from offset \(delivery.queueOffset) of queue \(delivery.queueID) on "
            + "\(delivery.broker)."
        tally.add(Storyteller(known: known).witness(of: key, ending: [ending], lines: [moment.line]))
    }

    func conclude(_ known: Known) -> [Finding] {
        let cases: [(Rules.Rule, Tally, String)] = [
            (.corrupted, tally, "delivered with a body that was not sent"),
            (.unreadable, unreadable, "answers to readers that could not be taken apart"),
        ]
        return cases.compactMap { rule, tally, text in
            guard tally.count > 0, known.rules.has(rule) else { return nil }
            return Finding(
                anomaly: .corrupted, status: .fail, count: tally.count, rule: .forbidden,
                summary: "\(tally.count) \(text)", witness: tally.first)
        }
    }
}
