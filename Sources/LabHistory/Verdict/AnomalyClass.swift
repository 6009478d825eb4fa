/// What a checker can find; the names are those of the reports and of `lab.yaml`.
public enum AnomalyClass: String, Sendable, Equatable, CaseIterable {
    /// Acknowledged, and in no replica's log after a complete drain and scan.
    case lost
    /// Lost where losses are permitted, and yet not of the unflushed end of its log.
    case lostBeforeTail = "lost-before-tail"
    /// Acknowledged and found in a log, but not delivered by a drain that came to its end.
    case undelivered
    /// Acknowledged, not delivered, and the drain did not get that far.
    case unseen
    /// Acknowledged, not delivered, and without a complete scan nobody can tell whether it is lost.
    case undecided
    /// Nothing acknowledged is missing, but some queue was not read to its end: what came later is unknown.
    case undrained
    /// Nothing acknowledged is missing, but some replica's log was not read to its end.
    case unscanned
    /// Delivered though its send was not acknowledged in full: legal.
    case recovered
    /// Delivered or stored though never sent in this run, or though its send certainly failed.
    case unexpected
    /// The delivered body differs from the one that was sent.
    case corrupted
    /// A record in a replica's log whose body does not agree with the sum beside it.
    case damaged
    /// One value at two offsets, or delivered twice: legal under *at least once*.
    case duplicated
    /// One offset of a queue holds two values, or not the one that was acknowledged there.
    case inconsistentOffset = "inconsistent-offset"
    /// A producer's later send got the smaller offset in the same queue.
    case nonMonotonicSend = "non-monotonic-send"
    /// A consumer missed an offset inside one assignment.
    case pollSkip = "poll-skip"
    /// A consumer went back inside one assignment.
    case backwardPoll = "backward-poll"
    /// From a fault's first failed send to the first success after it: measured.
    case outage
    /// A fault that did not bite, got stuck, ended before its time, has no end, or was planned and has no line.
    case faultUnproven = "fault-unproven"
    /// No send was under way while a fault was open.
    case emptyWindow = "empty-window"
    /// The history does not say what was planned, or not all of it: whatever is missing could not be noticed.
    case planMissing = "plan-missing"
    /// The history has no last line, or it is torn.
    case runIncomplete = "run-incomplete"
    /// Nothing was sent, or nothing was acknowledged: nothing could be shown.
    case emptyHistory = "empty-history"
    /// The run ended because the lab broke.
    case labBroke = "lab-broke"
    /// A line that no trial writes: a completion without its invocation, a value out of its sequence.
    case malformed
}
