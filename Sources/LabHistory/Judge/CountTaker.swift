/// Counts what a verdict's numbers tell; it finds nothing by itself.
struct CountTaker: Sendable {
    private var counts = VerdictCounts()

    mutating func consume(_ sighting: Sighting, at moment: Moment, _ known: Known) {
        switch sighting {
        case .invoked: counts.sent += 1
        case .completed(let done, _):
            switch done.outcome {
            case .ok: counts.ok += 1
            case .weak: counts.weak += 1
            case .fail: counts.fail += 1
            case .info: counts.info += 1
            }
        case .delivered(let delivery, _, let before):
            counts.delivered += 1
            if delivery.isDrain { counts.drained += 1 }
            if !before.contains(.delivered) { counts.deliveredValues += 1 }
        case .strayDelivery(let delivery, _):
            counts.delivered += 1
            if delivery.isDrain { counts.drained += 1 }
        case .scanned(let record, _, _), .strayRecord(let record), .damagedRecord(let record):
            counts.scannedRecords += 1
            if !record.checksumAgrees { counts.damagedRecords += 1 }
        case .fault, .unreadable, .malformed, .other: break
        }
    }

    func total(_ known: Known, _ findings: [Finding]) -> VerdictCounts {
        func count(_ anomaly: AnomalyClass) -> Int {
            findings.filter { $0.anomaly == anomaly }.reduce(0) { $0 + $1.count }
        }
        var total = counts
        // An attempt without completion is unknown for ever.
        total.info += known.ledger.attempts.count
        total.duplicated = count(.duplicated)
        total.recovered = count(.recovered)
        total.lost = count(.lost)
        total.undelivered = count(.undelivered)
        total.unseen = count(.unseen)
        total.unexpected = count(.unexpected)
        total.corrupted = count(.corrupted)
        return total
    }
}
