/// Judges a history, event by event, in one pass and in bounded memory.
///
/// It may be asked for its verdict at any time; before the history's last line that verdict is *inconclusive* at
/// best. Memory: see `Ledger` and `OffsetTable`, about 18 bytes for each message.
public struct HistoryJudge: Sendable {
    private var known: Known
    private var counts = CountTaker()
    private var loss = LossChecker()
    private var tail = TailChecker()
    private var unexpected = UnexpectedChecker()
    private var corruption = CorruptionChecker()
    private var damage = DamageChecker()
    private var offsets = OffsetChecker()
    private var sendOrder = SendOrderChecker()
    private var pollOrder = PollOrderChecker()
    private var outage = OutageChecker()
    private var proof = ProofChecker()
    private var plan = PlanChecker()

    public init(promises: Promises) {
        self.init(promises: promises, rules: .all)
    }

    package init(promises: Promises, rules: Rules) {
        known = Known(promises: promises, rules: rules)
    }

    /// Takes the next event.
    /// - Parameter line: its place in the history from 1, for the evidence.
    public mutating func consume(_ event: HistoryEvent, line: Int) {
        let isOrderly = known.run.note(event, line: line, known.rules)
        let sighting = isOrderly ? look(at: event, line: line) : .malformed(Self.disorder)
        take(sighting, Moment(atNanoseconds: event.atNanoseconds, line: line))
        switch sighting {
        case .completed(_, let attempt): known.ledger.closeIfSettled(attempt.key)
        case .delivered(_, let key, _): known.ledger.closeIfSettled(key)
        default: break
        }
    }

    /// Takes note of a line that could not be read: the verdict will be *error*, whatever else was seen.
    public mutating func consume(_ error: HistoryError) {
        take(.malformed(error.detail), Moment(atNanoseconds: 0, line: error.line))
    }

    /// Takes note of how the file ended.
    public mutating func consume(_ ending: HistoryLines.Ending) {
        proof.consume(ending)
    }

    /// What the events so far prove.
    public func verdict() -> Verdict {
        let findings =
            loss.conclude(known) + tail.conclude(known) + unexpected.conclude(known) + corruption.conclude(known)
            + damage.conclude(known)
            + offsets.conclude(known) + sendOrder.conclude(known) + pollOrder.conclude(known)
            + outage.conclude(known) + proof.conclude(known) + plan.conclude(known)
        let believed = proof.isDamaged && known.rules.has(.damageExplains) ? findings.map(Self.doubted) : findings
        return Verdict(
            runID: known.run.header?.runID, findings: believed, counts: counts.total(known, findings),
            outages: outage.outages(known), timeline: outage.timeline(known))
    }

    /// A finding of a history that is not whole: a line that is missing, doubled or altered may be all there is to it.
    private static func doubted(_ finding: Finding) -> Finding {
        guard finding.status == .fail else { return finding }
        var doubted = finding
        doubted.status = .inconclusive
        doubted.summary += "; but the history is damaged, which may be why"
        return doubted
    }

    /// How many values still have details for a witness; the tests hold it against the promise of bounded memory.
    package var detailsKept: Int { known.ledger.open.count }

    private static let disorder =
        "an event before the run's header, a second header, a plan after the beginning, or an event after the end"

    private mutating func take(_ sighting: Sighting, _ moment: Moment) {
        counts.consume(sighting, at: moment, known)
        loss.consume(sighting, at: moment, known)
        tail.consume(sighting, at: moment, known)
        unexpected.consume(sighting, at: moment, known)
        corruption.consume(sighting, at: moment, known)
        damage.consume(sighting, at: moment, known)
        offsets.consume(sighting, at: moment, known)
        sendOrder.consume(sighting, at: moment, known)
        pollOrder.consume(sighting, at: moment, known)
        outage.consume(sighting, at: moment, known)
        proof.consume(sighting, at: moment, known)
        plan.consume(sighting, at: moment, known)
    }

    private mutating func look(at event: HistoryEvent, line: Int) -> Sighting {
        switch event.body {
        case .invoke(let send):
            guard let key = known.ledger.invoke(send, at: event.atNanoseconds, line: line) else {
                return .malformed("value \(send.value) is out of its sequence, or operation \(send.operation) is open")
            }
            return .invoked(key)
        case .complete(let done):
            guard let attempt = known.ledger.complete(done, at: event.atNanoseconds, line: line) else {
                return .malformed("operation \(done.operation) completes but was not invoked")
            }
            return .completed(done, attempt)
        case .deliver(let delivery):
            let isOtherRun = delivery.runID != known.run.header?.runID && known.rules.has(.otherRun)
            guard !isOtherRun, let value = delivery.value, let key = known.ledger.key(of: value) else {
                return .strayDelivery(delivery, isOtherRun: isOtherRun && delivery.runID != nil)
            }
            let before = known.ledger.flags(of: key)
            known.ledger.deliver(key, delivery, line: line)
            return .delivered(delivery, key, before: before)
        case .scanned(let record):
            guard record.runID == known.run.header?.runID else {
                return record.checksumAgrees ? .other : .damagedRecord(record)
            }
            guard let value = record.value, let key = known.ledger.key(of: value) else {
                return record.checksumAgrees ? .strayRecord(record) : .damagedRecord(record)
            }
            let before = known.ledger.flags(of: key)
            known.ledger.scan(key, record, line: line)
            return .scanned(record, key, before: before)
        case .fault(let edge): return .fault(edge)
        case .unreadable(let answer): return .unreadable(answer)
        case .end(let end):
            if let lines = end.lines, lines != line, known.rules.has(.lineCount) {
                return .malformed("it says that it is line \(lines): lines are missing or doubled")
            }
            return .other
        case .run, .planned, .phase, .drained, .scanEnded: return .other
        }
    }
}
