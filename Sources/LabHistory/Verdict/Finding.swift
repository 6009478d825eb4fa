/// One thing that a checker has to say about a run.
public struct Finding: Sendable, Equatable {
    /// How a finding weighs.
    public enum Rule: String, Sendable, Equatable {
        /// May happen; it is counted.
        case legal
        /// Must not happen: one is a failure.
        case forbidden
        /// Has no bound here; the number is the result.
        case measured
        /// Had to hold for anything to be proved; broken, the run is inconclusive or the lab in error.
        case required
    }

    public var anomaly: AnomalyClass
    public var status: VerdictStatus
    /// How many messages, edges or lines it concerns; never 0.
    public var count: Int
    public var rule: Rule
    /// One sentence for the reader, with the way out where there is one.
    public var summary: String
    public var witness: Witness?

    public init(
        anomaly: AnomalyClass, status: VerdictStatus, count: Int, rule: Rule, summary: String, witness: Witness? = nil
    ) {
        self.anomaly = anomaly
        self.status = status
        self.count = count
        self.rule = rule
        self.summary = summary
        self.witness = witness
    }
}
