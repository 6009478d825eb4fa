/// Counts what a verdict's numbers tell; it finds nothing by itself.
struct CountTaker: Sendable {
    private var counts = VerdictCounts()
    private var openFaults: Set<String> = []
    /// The line on which the last open fault ended; nil before any fault, and while one is open.
    private var quietSince: Int?

    mutating func consume(_ sighting: Sighting, at moment: Moment, _ known: Known) {
        switch sighting {
        case .invoked: counts.sent += 1
        case .completed(let done, let attempt):
            switch done.outcome {
            case .ok:
                counts.ok += 1
                if let quietSince, attempt.line > quietSince { counts.okAfterFaults += 1 }
            case .weak: counts.weak += 1
            case .fail:
                counts.fail += 1
                if !openFaults.isEmpty { counts.refusedUnderFault += 1 }
            case .info: counts.info += 1
            }
        case .delivered(let delivery, _, let before):
            counts.delivered += 1
            if delivery.isDrain { counts.drained += 1 } else if !openFaults.isEmpty { counts.deliveredUnderFault += 1 }
            if !before.contains(.delivered) { counts.deliveredValues += 1 }
        case .strayDelivery(let delivery, _):
            counts.delivered += 1
            if delivery.isDrain { counts.drained += 1 }
        case .scanned(let record, _, _), .strayRecord(let record), .damagedRecord(let record):
            counts.scannedRecords += 1
            if !record.checksumAgrees { counts.damagedRecords += 1 }
        case .fault(let edge): note(edge, at: moment)
        case .unreadable, .malformed, .other: break
        }
    }

    private mutating func note(_ edge: FaultEdge, at moment: Moment) {
        switch edge.edge {
        case .active:
            guard openFaults.count < RunRecord.maximumFaults else { return }
            openFaults.insert(edge.uid)
            quietSince = nil
        case .healed, .expired:
            if openFaults.remove(edge.uid) != nil, openFaults.isEmpty { quietSince = moment.line }
        case .asked, .armed, .refused, .didNotBite, .stuck: break
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
