/// What a history proved, with its evidence.
public struct Verdict: Sendable, Equatable {
    public var runID: String?
    public var status: VerdictStatus
    /// The worst first; within one status in the order of `AnomalyClass`.
    public var findings: [Finding]
    public var counts: VerdictCounts
    public var outages: [Outage]
    public var timeline: Timeline

    public init(
        runID: String?, findings: [Finding], counts: VerdictCounts, outages: [Outage] = [],
        timeline: Timeline = Timeline()
    ) {
        self.runID = runID
        self.counts = counts
        self.outages = outages
        self.timeline = timeline
        status = findings.reduce(.pass) { $0.merged(with: $1.status) }
        let order = AnomalyClass.allCases
        self.findings = findings.sorted { a, b in
            if a.status != b.status { return a.status.merged(with: b.status) == a.status }
            return (order.firstIndex(of: a.anomaly) ?? 0) < (order.firstIndex(of: b.anomaly) ?? 0)
        }
    }

    /// The witness of the worst finding that has one; nil when everything passed.
    public var witness: Witness? {
        findings.first { $0.status == status && $0.status != .pass && $0.witness != nil }?.witness
    }

    /// How many the findings of one class concern; 0 when there is none.
    public func count(of anomaly: AnomalyClass) -> Int {
        findings.filter { $0.anomaly == anomaly }.reduce(0) { $0 + $1.count }
    }

    /// The first finding of a class.
    public func finding(_ anomaly: AnomalyClass) -> Finding? {
        findings.first { $0.anomaly == anomaly }
    }

    /// One line: the status and the reason for it.
    public var headline: String {
        switch status {
        case .pass:
            "pass: \(counts.ok) acknowledged, \(counts.deliveredValues) delivered, "
                + (counts.lost == 0 ? "none lost, " : "\(counts.lost) lost as permitted, ")
                + "\(counts.duplicated) delivered more than once"
        default:
            "\(status.rawValue): "
                + findings.filter { $0.status == status }.map { "\($0.anomaly.rawValue) (\($0.count))" }
                .joined(separator: ", ")
        }
    }
}
