/// What is delivered is what was sent.
///
/// Model: a map from value to body. *Corrupted*: a delivered body whose 64-bit hash differs from the hash that the
/// producer took before the first byte left. A repeated delivery is compared as well. A damaged record that the
/// broker withholds is no corruption but a loss, see `LossChecker`.
struct CorruptionChecker: Checker {
    private var tally = Tally()

    mutating func consume(_ sighting: Sighting, at moment: Moment, _ known: Known) {
        guard case .delivered(let delivery, let key, _) = sighting, delivery.bodyHash != known.ledger.hash(of: key)
        else { return }
        let ending =
            "Consumer \(delivery.consumer) was given another body at \(Storyteller.seconds(moment.atNanoseconds)) "
            + "(line \(moment.line)), from offset \(delivery.queueOffset) of queue \(delivery.queueID) on "
            + "\(delivery.broker)."
        tally.add(Storyteller(known: known).witness(of: key, ending: [ending], lines: [moment.line]))
    }

    func conclude(_ known: Known) -> [Finding] {
        guard tally.count > 0, known.rules.has(.corrupted) else { return [] }
        return [
            Finding(
                anomaly: .corrupted, status: .fail, count: tally.count, rule: .forbidden,
                summary: "\(tally.count) delivered with a body that was not sent", witness: tally.first)
        ]
    }
}
