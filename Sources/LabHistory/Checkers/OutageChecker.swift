/// How long sending failed because of each fault: measured, never judged here.
///
/// Model: from the first attempt that fails (`fail` or unknown) after the host was asked for the fault, which is the
/// last moment before the deed, to the first acknowledgement of an attempt that began after that failure. Besides, the
/// share of one-second windows with an acknowledgement, from the deed to the last attempt. A fault that never became
/// active has no outage. Failures before any fault was asked for have a line of their own: nothing that was planned
/// explains them. The same pass draws the run's time line.
struct OutageChecker: Checker {
    private struct Clock: Sendable {
        var uid: String
        var from: Int64
        var isActive = false
        var firstFailure: Moment?
        var firstSuccess: Moment?
        /// One-second windows from ``from`` on in which something was acknowledged.
        var goodWindows: Set<Int64> = []
    }

    private static let secondNanoseconds: Int64 = 1_000_000_000
    /// One-second windows that are told apart: a day of them.
    private static let maximumSeconds: Int64 = 86_400

    private var clocks: [Clock] = []
    private var line = Timeline()
    private var lastAttempt: Int64 = 0
    /// Failures that no fault explains, for none had been asked for.
    private var early = Tally()

    mutating func consume(_ sighting: Sighting, at moment: Moment, _ known: Known) {
        switch sighting {
        case .invoked:
            line.count(at: moment.atNanoseconds) { $0.attempts += 1 }
            lastAttempt = max(lastAttempt, moment.atNanoseconds)
        case .completed(let done, let attempt):
            line.count(at: moment.atNanoseconds) { window in
                if done.outcome == .ok { window.ok += 1 } else { window.notOK += 1 }
            }
            if done.outcome == .ok { noteSuccess(attempt, moment) }
            if done.outcome == .fail || done.outcome == .info { noteFailure(attempt, moment) }
        case .fault(let edge): note(edge, at: moment)
        default: break
        }
    }

    func conclude(_ known: Known) -> [Finding] {
        guard known.rules.has(.outage) else { return [] }
        var findings: [Finding] = []
        if early.count > 0, !clocks.isEmpty {
            findings.append(
                Finding(
                    anomaly: .outage, status: .pass, count: early.count, rule: .measured,
                    summary: "\(early.count) sends failed before any fault: nothing that was planned explains them",
                    witness: early.first))
        }
        return findings
            + outages(known).compactMap { outage in
                guard let from = outage.firstFailureNanoseconds, !isAnothers(outage.faultUID) else { return nil }
                let length = outage.nanoseconds.map { "for \(Storyteller.seconds($0))" } ?? "until the end of the run"
                let clock = clocks.first { $0.uid == outage.faultUID }
                let lines = [clock?.firstFailure?.line, clock?.firstSuccess?.line].compactMap { $0 }
                return Finding(
                    anomaly: .outage, status: .pass, count: 1, rule: .measured,
                    summary: "sending failed \(length) under fault \(outage.faultUID)",
                    witness: Witness(
                        story: [
                            "The first attempt failed at \(Storyteller.seconds(from)).",
                            outage.firstSuccessNanoseconds.map { "The next success was at \(Storyteller.seconds($0))." }
                                ?? "None succeeded after it.",
                        ], lines: lines))
            }
    }

    /// Whether an earlier fault's outage ends with the same success: then this fault only came into it.
    private func isAnothers(_ uid: String) -> Bool {
        guard let clock = clocks.first(where: { $0.uid == uid }) else { return false }
        return clocks.contains { other in
            other.isActive && other.from < clock.from && other.firstFailure != nil
                && other.firstSuccess?.line == clock.firstSuccess?.line
        }
    }

    func outages(_ known: Known) -> [Outage] {
        clocks.filter(\.isActive).map { clock in
            let seconds = max(0, min(lastAttempt - clock.from, Self.maximumSeconds * Self.secondNanoseconds))
            let windows = lastAttempt < clock.from ? 0 : seconds / Self.secondNanoseconds + 1
            let good = (0..<windows).filter { clock.goodWindows.contains($0) }
            return Outage(
                faultUID: clock.uid, firstFailureNanoseconds: clock.firstFailure?.atNanoseconds,
                firstSuccessNanoseconds: clock.firstSuccess?.atNanoseconds, windows: Int(windows),
                windowsWithSuccess: good.count)
        }
    }

    func timeline(_ known: Known) -> Timeline {
        var timeline = line
        timeline.phases = known.run.phases
        timeline.faults = known.run.faults.compactMap { fault in
            guard let from = fault.openedAt else { return nil }
            return Timeline.Span(name: fault.uid, fromNanoseconds: from, toNanoseconds: fault.closedAt)
        }
        return timeline
    }

    private mutating func note(_ edge: FaultEdge, at moment: Moment) {
        let index = clocks.firstIndex { $0.uid == edge.uid }
        switch (edge.edge, index) {
        case (.asked, nil), (.armed, nil):
            guard clocks.count < RunRecord.maximumFaults else { return }
            clocks.append(Clock(uid: edge.uid, from: moment.atNanoseconds))
        case (.active, let index?): clocks[index].isActive = true
        case (.active, nil):
            guard clocks.count < RunRecord.maximumFaults else { return }
            clocks.append(Clock(uid: edge.uid, from: moment.atNanoseconds, isActive: true))
        default: break
        }
    }

    private mutating func noteFailure(_ attempt: Ledger.Attempt, _ moment: Moment) {
        if clocks.isEmpty {
            early.add(
                Witness(
                    story: ["The first attempt failed at \(Storyteller.seconds(moment.atNanoseconds))."],
                    lines: [moment.line]))
        }
        for index in clocks.indices where clocks[index].firstFailure == nil {
            guard moment.atNanoseconds >= clocks[index].from else { continue }
            // An attempt that was under way when the fault struck failed from then on.
            let from = max(attempt.atNanoseconds, clocks[index].from)
            clocks[index].firstFailure = Moment(atNanoseconds: from, line: moment.line)
        }
    }

    private mutating func noteSuccess(_ attempt: Ledger.Attempt, _ moment: Moment) {
        for index in clocks.indices where moment.atNanoseconds >= clocks[index].from {
            let window = (moment.atNanoseconds - clocks[index].from) / Self.secondNanoseconds
            if clocks[index].goodWindows.count < Int(Self.maximumSeconds) { clocks[index].goodWindows.insert(window) }
        }
        for index in clocks.indices where clocks[index].firstSuccess == nil {
            guard let failure = clocks[index].firstFailure, attempt.atNanoseconds >= failure.atNanoseconds else {
                continue
            }
            clocks[index].firstSuccess = moment
        }
    }
}
