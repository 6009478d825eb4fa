/// What the logs hold is whole.
///
/// Model: each record stands in a log beside the sum of its body. *Damaged*: the scan found one whose body does not
/// agree with it. That is a finding of its own whether or not its value was acknowledged, and whether or not another
/// replica or an earlier delivery makes up for it: a broker that recovers cuts a torn tail and keeps no broken record.
/// A record so damaged that it names no value, or no run, counts as well, for nobody can say that it was not ours.
struct DamageChecker: Checker {
    private var tally = Tally()

    mutating func consume(_ sighting: Sighting, at moment: Moment, _ known: Known) {
        let record: ScannedRecord
        switch sighting {
        case .scanned(let seen, _, _) where !seen.checksumAgrees: record = seen
        case .damagedRecord(let seen): record = seen
        default: return
        }
        let name = record.value.map { "message \($0)" } ?? "a message that no longer says which it is"
        tally.add(
            Witness(
                value: record.value,
                story: [
                    "The log of \(record.replica) holds \(name) at byte \(record.logOffset), for offset "
                        + "\(record.queueOffset) of queue \(record.queueID), with a body that does not agree with its sum "
                        + "(line \(moment.line))."
                ], lines: [moment.line]))
    }

    func conclude(_ known: Known) -> [Finding] {
        guard tally.count > 0, known.rules.has(.damaged) else { return [] }
        return [
            Finding(
                anomaly: .damaged, status: .fail, count: tally.count, rule: .forbidden,
                summary: "\(tally.count) records in replicas' logs whose bodies do not agree with their sums",
                witness: tally.first)
        ]
    }
}
