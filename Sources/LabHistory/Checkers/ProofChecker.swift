/// Whether the run could have shown anything.
///
/// A history proves a promise only if the fault was there, load was there while it was, and the run came to its end.
/// Whatever is missing makes the run *inconclusive*, never a pass:
///
/// 1. *Fault unproven*: the host would not lend it (`refused`), the probe saw no effect (`didNotBite`, then or later), the
///    fault could not be undone (`stuck`), it ended by itself before its planned heal (`expired`), or it was armed or
///    active and has no end.
/// 2. *Empty window*: no send was under way while the fault was open.
/// 3. *Run incomplete*: the history has no last line, or a torn one: the controller died.
/// 4. *Empty history*: nothing was sent, or nothing was acknowledged, so there was nothing to lose.
///
/// *Lab broke* and *malformed* are errors of the lab: its own last line says so, or a line is none that it writes.
struct ProofChecker: Checker {
    private var sent = 0
    private var acknowledged = 0
    private var isTorn = false
    private var malformed = Tally()
    /// Attempts that overlap the window of a fault, by its uid.
    private var overlapping: [String: Int] = [:]
    private var openFaults: Set<String> = []

    mutating func consume(_ sighting: Sighting, at moment: Moment, _ known: Known) {
        switch sighting {
        case .invoked:
            sent += 1
            for uid in openFaults { overlapping[uid, default: 0] += 1 }
        case .completed(let done, _): if done.outcome == .ok { acknowledged += 1 }
        case .fault(let edge):
            switch edge.edge {
            case .active:
                overlapping[edge.uid, default: 0] += known.ledger.attempts.count
                openFaults.insert(edge.uid)
            case .healed, .expired: openFaults.remove(edge.uid)
            case .asked, .armed, .refused, .didNotBite, .stuck: break
            }
        case .malformed(let what):
            malformed.add(Witness(story: ["Line \(moment.line): \(what)."], lines: [moment.line]))
        default: break
        }
    }

    mutating func consume(_ ending: HistoryLines.Ending) {
        if case .torn = ending { isTorn = true }
    }

    /// Whether the history is not what a trial wrote.
    var isDamaged: Bool { malformed.count > 0 }

    func conclude(_ known: Known) -> [Finding] {
        ended(known) + filled(known) + known.run.faults.flatMap { proved($0, known) }
    }

    private func ended(_ known: Known) -> [Finding] {
        var findings: [Finding] = []
        if malformed.count > 0, known.rules.has(.malformed) {
            findings.append(
                Finding(
                    anomaly: .malformed, status: .error, count: malformed.count, rule: .required,
                    summary:
                        "\(malformed.count) lines are none that a trial writes; the history is damaged, run it again",
                    witness: malformed.first))
        }
        if let (end, line) = known.run.end {
            if !end.completed, end.isInterrupted, known.rules.has(.interruptedEnd) {
                findings.append(
                    Finding(
                        anomaly: .runIncomplete, status: .inconclusive, count: 1, rule: .required,
                        summary: "run incomplete: it was \(end.detail); run it again",
                        witness: Witness(story: ["Line \(line): \(end.detail)."], lines: [line])))
            } else if !end.completed, known.rules.has(.brokenEnd) {
                findings.append(
                    Finding(
                        anomaly: .labBroke, status: .error, count: 1, rule: .required,
                        summary: "the run was broken off: \(end.detail); run it again",
                        witness: Witness(story: ["Line \(line): \(end.detail)."], lines: [line])))
            }
        } else if known.rules.has(.noEnd) {
            findings.append(
                Finding(
                    anomaly: .runIncomplete, status: .inconclusive, count: 1, rule: .required,
                    summary: "run incomplete: the history \(isTorn ? "ends in a torn line" : "has no last line"), so "
                        + "its controller was killed; run it again"))
        }
        return findings
    }

    private func filled(_ known: Known) -> [Finding] {
        guard acknowledged == 0, known.rules.has(.emptyHistory) else { return [] }
        let what = sent == 0 ? "nothing was sent" : "none of \(sent) sends was acknowledged"
        return [
            Finding(
                anomaly: .emptyHistory, status: .inconclusive, count: 1, rule: .required,
                summary: "\(what), so nothing could be lost; look at the cluster, then run it again")
        ]
    }

    private func proved(_ fault: RunRecord.Fault, _ known: Known) -> [Finding] {
        let why: String
        if let refusal = fault.first(.refused), known.rules.has(.refused) {
            why = "could not be injected: \(refusal.detail); run it again"
        } else if fault.first(.stuck) != nil, known.rules.has(.stuck) {
            why = "could not be undone; see `hosts check`, then run it again"
        } else if let expired = fault.first(.expired), fault.openedAt != nil, known.rules.has(.expired) {
            why =
                "ended by itself at \(Storyteller.seconds(expired.atNanoseconds)), when its time-to-live was over, and "
                + "not by its planned heal; run it again with a larger ttl_seconds"
        } else if let reason = toothless(fault) {
            guard known.rules.has(.didNotBite) else { return [] }
            why = "was not seen to bite\(reason.isEmpty ? "" : " (\(reason))"); run it again with a fault that does"
        } else if fault.closedAt == nil, fault.first(.stuck) == nil, known.rules.has(.openEnded) {
            why = "has no end; run it again"
        } else {
            return window(of: fault, known)
        }
        return [finding(.faultUnproven, fault, why)]
    }

    /// What is said of a fault without effect; nil for one that had some. What a probe saw at first counts for nothing
    /// when a later look shows that there was no effect, as that at the disk of a host whose power was said to be cut.
    private func toothless(_ fault: RunRecord.Fault) -> String? {
        if let edge = fault.first(.didNotBite) { return edge.detail }
        return fault.openedAt == nil && fault.closedAt != nil ? "" : nil
    }

    private func window(of fault: RunRecord.Fault, _ known: Known) -> [Finding] {
        guard fault.openedAt != nil, overlapping[fault.uid, default: 0] == 0, known.rules.has(.emptyWindow) else {
            return []
        }
        return [finding(.emptyWindow, fault, "was open while nothing was being sent; run it again with load")]
    }

    private func finding(_ anomaly: AnomalyClass, _ fault: RunRecord.Fault, _ why: String) -> Finding {
        let story = fault.edges.map { edge in
            "Fault \(fault.name): \(edge.edge.rawValue) at \(Storyteller.seconds(edge.atNanoseconds)) "
                + "(line \(edge.line))\(edge.detail.isEmpty ? "" : ", \(edge.detail)")."
        }
        return Finding(
            anomaly: anomaly, status: .inconclusive, count: 1, rule: .required,
            summary: "fault \(fault.name) \(why)", witness: Witness(story: story, lines: fault.edges.map(\.line)))
    }
}
