public import LabHistory

/// What a plan's rounds have to show at least once: the negative control of a promise that is hard to break.
///
/// A trial in which nothing may be lost proves little when nothing could have been; one that permits a loss, and never sees
/// one, may have a fault that takes nothing. Judged over all rounds of a command, since chance decides in which it shows.
public enum Showing: String, Sendable, Equatable, Decodable, CaseIterable {
    /// An acknowledged message is lost, as is permitted.
    case loss
    /// A send certainly fails while a fault is open.
    case refusal
    /// A consumer is given a message while a fault is open.
    case reading
    /// A send that began when every fault was over is acknowledged.
    case resumption
    /// Sending fails because of a fault, and is acknowledged again while that fault is still there.
    case takeover

    /// Whether a run showed it.
    public func isShown(by verdict: Verdict) -> Bool {
        let counts = verdict.counts
        return switch self {
        case .loss: counts.lost > 0
        case .refusal: counts.refusedUnderFault > 0
        case .reading: counts.deliveredUnderFault > 0
        case .resumption: counts.okAfterFaults > 0
        case .takeover: verdict.outages.contains { Self.endsBeforeItsFault($0, in: verdict.timeline) }
        }
    }

    private static func endsBeforeItsFault(_ outage: Outage, in timeline: Timeline) -> Bool {
        guard let end = outage.firstSuccessNanoseconds, outage.firstFailureNanoseconds != nil,
            let fault = timeline.faults.first(where: { $0.name == outage.faultUID })
        else { return false }
        return fault.toNanoseconds.map { end < $0 } ?? true
    }

    /// As in "no round showed …".
    public var text: String {
        switch self {
        case .loss: "a loss"
        case .refusal: "a refused send under a fault"
        case .reading: "a message read under a fault"
        case .resumption: "an acknowledged send after the faults"
        case .takeover: "an outage that ended before its fault"
        }
    }
}
