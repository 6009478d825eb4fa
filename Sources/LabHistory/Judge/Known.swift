/// Everything that the checkers share: what is known of the values and of the run, and under which promises.
struct Known: Sendable {
    var ledger = Ledger()
    var run = RunRecord()
    private let given: Promises
    let rules: Rules

    init(promises: Promises, rules: Rules) {
        given = promises
        self.rules = rules
    }

    /// What was promised: what the history says of it, else what the caller said.
    var promises: Promises {
        guard let header = run.header, let lossAllowed = header.lossAllowed else { return given }
        return Promises(lossAllowed: lossAllowed, tailNanoseconds: header.tailNanoseconds)
    }
}

/// One event as the checkers see it: with what the ledger knows of its value.
enum Sighting: Sendable {
    case invoked(ValueKey)
    case completed(SendCompletion, Ledger.Attempt)
    /// `before` is what was known of the value before this delivery.
    case delivered(Delivery, ValueKey, before: Ledger.Flags)
    /// A delivery of a value that nobody sent in this run.
    case strayDelivery(Delivery, isOtherRun: Bool)
    case scanned(ScannedRecord, ValueKey, before: Ledger.Flags)
    /// A record of this run that nobody sent; records of other runs are none of our business.
    case strayRecord(ScannedRecord)
    /// A damaged record that says of itself no value that was sent: whose it was, nobody can tell any more.
    case damagedRecord(ScannedRecord)
    case unreadable(UnreadableAnswer)
    case fault(FaultEdge)
    /// A line that no trial writes.
    case malformed(String)
    case other
}

/// Where and when something was seen.
struct Moment: Sendable {
    var atNanoseconds: Int64
    var line: Int
}

/// One question asked of a history.
///
/// A checker is a value: it takes each sighting once, in order, and says at the end what it found. It keeps only
/// what the ledger does not; it never traps on what a file may hold.
protocol Checker: Sendable {
    mutating func consume(_ sighting: Sighting, at moment: Moment, _ known: Known)
    func conclude(_ known: Known) -> [Finding]
}
