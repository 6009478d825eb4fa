import Glibc

/// The decisions of a loan: what undoes it, what shows that it bit, which state follows which. Pure.
enum LoanRules {
    /// What the probe after a deed waits for.
    enum Expectation: Sendable, Equatable {
        /// The process is gone from `/proc`.
        case gone
        /// The process is in state `T`.
        case stopped
        /// The directory is empty.
        case empty
        /// A write finds no space.
        case full
        /// Peers do not answer any more.
        case cut
        /// The deed has no effect that could be seen; it counts as one that did not bite.
        case nothing
    }

    /// Refuses a loan that can't be kept, naming what to change.
    static func validate(_ loan: FaultLoan) throws(AgentFailure) {
        guard DaemonRecord.isName(loan.uid) else {
            throw AgentFailure(
                .badRequest, "'\(loan.uid)' is no name for a fault: letters, digits, '.', '_', '-', at most 64")
        }
        guard (1...AgentLimits.faultTTLMilliseconds).contains(loan.ttlMilliseconds) else {
            throw AgentFailure(
                .badRequest,
                "fault '\(loan.uid)': a time-to-live of \(loan.ttlMilliseconds) ms; 1 to \(AgentLimits.faultTTLMilliseconds)"
            )
        }
        if case .processSignal(_, let signal) = loan.kind, !(1...64).contains(signal) {
            throw AgentFailure(.badRequest, "fault '\(loan.uid)': \(signal) is no signal")
        }
        if case .processRestart(_, let signal) = loan.kind,
            expectation(loan.kind) != .gone || !(1...64).contains(signal)
        {
            throw AgentFailure(.badRequest, "fault '\(loan.uid)': signal \(signal) ends no process")
        }
        if case .crashLoop(_, let up) = loan.kind, !AgentLimits.crashUpMilliseconds.contains(up) {
            throw AgentFailure(
                .badRequest,
                "fault '\(loan.uid)': \(up) ms between crashes; \(AgentLimits.crashUpMilliseconds.lowerBound) to "
                    + "\(AgentLimits.crashUpMilliseconds.upperBound)")
        }
        if case .network(let fault) = loan.kind { try validate(fault, of: loan.uid) }
    }

    private static func validate(_ fault: NetworkFault, of uid: String) throws(AgentFailure) {
        guard (1...AgentLimits.networkRules).contains(fault.rules.count),
            fault.probes.count <= AgentLimits.networkRules
        else {
            throw AgentFailure(
                .badRequest,
                "fault '\(uid)': \(fault.rules.count) rules and \(fault.probes.count) probes; 1 to "
                    + "\(AgentLimits.networkRules)")
        }
        guard (1...AgentLimits.networkProbeMilliseconds).contains(fault.silenceMilliseconds) else {
            throw AgentFailure(
                .badRequest,
                "fault '\(uid)': a silence of \(fault.silenceMilliseconds) ms; 1 to "
                    + "\(AgentLimits.networkProbeMilliseconds)")
        }
        // Nothing else of a request gets into the rules' text.
        for rule in fault.rules where !PortProbe.isAddress(rule.peer) {
            throw AgentFailure(
                .badRequest, "fault '\(uid)': '\(rule.peer)' is no IPv4 address to cut off")
        }
        for rule in fault.rules where rule.ports.isEmpty {
            throw AgentFailure(.badRequest, "fault '\(uid)': a rule for \(rule.peer) without a port")
        }
        for probe in fault.probes where !fault.rules.contains(where: { $0.silences(probe) }) {
            throw AgentFailure(
                .badRequest, "fault '\(uid)': no rule cuts off what its probe '\(probe)' looks at")
        }
    }

    /// The undo of a deed, known before it is done.
    static func undo(_ loan: FaultLoan, root: String) -> FaultUndo {
        let kind = loan.kind
        return switch kind {
        case .processSignal(let daemon, let signal):
            switch expectation(kind) {
            case .gone: .startDaemon(daemon)
            case .stopped: .continueDaemon(daemon)
            default: .nothing(reason: "signal \(signal) leaves nothing to undo")
            }
        case .processRestart(let daemon, _), .crashLoop(let daemon, _): .startDaemon(daemon)
        case .storeWipe(let path):
            .nothing(reason: "what was in '\(path)' is gone: no undo is possible")
        case .diskFull(let path): .freeDisk(path)
        case .network: .removeTable(NetworkScript.table(uid: loan.uid, root: root))
        }
    }

    /// What shows that the deed took effect. Signals whose default is to end or to stop a process; see signal(7).
    static func expectation(_ kind: FaultKind) -> Expectation {
        switch kind {
        case .storeWipe: return .empty
        case .diskFull: return .full
        case .network: return .cut
        case .crashLoop: return .gone
        case .processSignal(_, let signal), .processRestart(_, let signal):
            switch signal {
            case SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU: return .stopped
            case SIGCONT, SIGCHLD, SIGURG, SIGWINCH: return .nothing
            default: return .gone
            }
        }
    }

    /// A new record, before anything is done.
    static func arm(
        _ loan: FaultLoan, root: String, realtime: Int64, boot: Int64, bootID: String
    ) -> FaultRecord {
        FaultRecord(
            loan: loan, undo: undo(loan, root: root), state: .armed, bit: nil, armedAt: realtime,
            deedAt: nil,
            activeAt: nil,
            healedAt: nil, expiresAtBoot: boot + loan.ttlMilliseconds * 1_000_000, bootID: bootID,
            timer: nil, expired: nil, message: nil, unanswered: nil)
    }

    /// How long a timer pauses before its next try, after so many that failed: half a second, doubled each time up to
    /// the limit. Nil when the time for tries is over, which is long after every loan has ended.
    static func timerPauseMilliseconds(failures: Int, afterMilliseconds elapsed: Int64) -> Int64? {
        guard elapsed < AgentLimits.faultTimerMilliseconds else { return nil }
        return min(AgentLimits.faultTimerPauseMilliseconds, 500 << Int64(min(max(0, failures - 1), 16)))
    }
}

extension FaultRecord {
    /// The deed was done and its probe has answered.
    mutating func didDeed(at deedAt: Int64, _ outcome: DeedOutcome, seenAt: Int64) {
        precondition(state == .armed, "fault \(loan.uid): a deed in state \(state)")
        self.deedAt = deedAt
        bit = outcome.bit
        activeAt = outcome.bit ? seenAt : nil
        state = .active
        message = outcome.evidence ?? (outcome.bit ? nil : "the deed had no effect that could be seen")
    }

    /// The undo was seen, or there is nothing to undo.
    ///
    /// - Parameter expired: whether the timer did it, its time being over.
    mutating func didHeal(at time: Int64, expired: Bool) {
        precondition(state != .healed, "fault \(loan.uid) heals twice")
        self.expired = expired
        state = .healed
        healedAt = time
    }

    /// The undo failed; another try may follow.
    mutating func didStick(_ reason: String) {
        precondition(state != .healed, "fault \(loan.uid) sticks after it healed")
        state = .stuck
        message = reason
    }

    /// Nanoseconds until the timer reverts it; 0 when it is due, as it is after the host has booted again.
    func remaining(boot: Int64, bootID: String) -> Int64 {
        bootID == self.bootID ? max(0, expiresAtBoot - boot) : 0
    }
}
