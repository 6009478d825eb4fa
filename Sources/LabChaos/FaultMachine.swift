/// The life of one fault, as a value: inputs are what the host said, outputs are what to record and do next.
///
///     uninitialised ──asked──▶ asked ──armed──▶ armed ──bit──▶ active ──undone | expired──▶ healed
///                                │                │              │
///                                └──refused       └─did not bite─┴─▶ ineffective (undone as well) ──▶ healed | stuck
///
/// Whatever happens in between, a fault that was armed is undone: by the plan, by its TTL, or by the kill switch.
public struct FaultMachine: Sendable, Equatable {
    public enum State: Sendable, Equatable {
        // → asked
        case uninitialised
        // → armed, refused, healed, stuck: the host may have it
        case asked
        // → active, ineffective, healed, stuck
        case armed
        // end: the host has nothing of it
        case refused(reason: String)
        // → ineffective, healed, stuck
        case active(evidence: String)
        // → healed, stuck: the deed was done and nothing was seen of it; the undo runs all the same
        case ineffective(evidence: String)
        // end
        case healed(evidence: String)
        // end: nobody could undo it; `hosts check` and a person must
        case stuck(reason: String)
    }

    public enum Input: Sendable, Equatable {
        /// The host is going to be asked.
        case asked
        /// The undo is on the host's disk.
        case armed
        /// The host would not, and has nothing of it.
        case refused(reason: String)
        case bit(evidence: String)
        case didNotBite(evidence: String)
        case undone(evidence: String)
        /// The host's timer undid it, before anybody asked for it.
        case expired(evidence: String)
        case undoFailed(reason: String)
    }

    public enum Action: Sendable, Equatable {
        case inject
        case recordArmed
        case recordRefused(String)
        case recordActive(String)
        case recordIneffective(String)
        case recordHealed(String)
        case recordExpired(String)
        case recordStuck(String)
        /// The host said something that has no place in this state; nothing is done, the text goes into the log.
        case ignore(String)
    }

    public private(set) var state: State = .uninitialised

    public init() {}

    /// Whether something of this fault may still be on a host.
    public var isOpen: Bool {
        switch state {
        case .uninitialised, .healed, .refused: false
        case .asked, .armed, .active, .ineffective, .stuck: true
        }
    }

    public mutating func handle(_ input: Input) -> Action {
        switch (state, input) {
        case (.uninitialised, .asked):
            state = .asked
            return .inject
        case (.asked, .armed):
            state = .armed
            return .recordArmed
        case (.asked, .refused(let reason)):
            state = .refused(reason: reason)
            return .recordRefused(reason)
        case (.armed, .bit(let evidence)):
            state = .active(evidence: evidence)
            return .recordActive(evidence)
        case (.armed, .didNotBite(let evidence)), (.active, .didNotBite(let evidence)):
            // A later look counts for more than the first one: a host can be silent and have lost nothing.
            state = .ineffective(evidence: evidence)
            return .recordIneffective(evidence)
        case (.asked, .undone(let evidence)), (.armed, .undone(let evidence)), (.active, .undone(let evidence)),
            (.ineffective, .undone(let evidence)):
            state = .healed(evidence: evidence)
            return .recordHealed(evidence)
        case (.asked, .expired(let evidence)), (.armed, .expired(let evidence)), (.active, .expired(let evidence)),
            (.ineffective, .expired(let evidence)):
            state = .healed(evidence: evidence)
            return .recordExpired(evidence)
        case (.stuck, .undone(let evidence)), (.stuck, .expired(let evidence)):
            // A second try, by the TTL's timer or by hand, may succeed where the first did not.
            state = .healed(evidence: evidence)
            return .recordHealed(evidence)
        case (.asked, .undoFailed(let reason)), (.armed, .undoFailed(let reason)), (.active, .undoFailed(let reason)),
            (.ineffective, .undoFailed(let reason)), (.stuck, .undoFailed(let reason)):
            state = .stuck(reason: reason)
            return .recordStuck(reason)
        case (.healed, .undone), (.healed, .expired):
            // The undo is idempotent: the plan and the TTL may both have done it.
            return .ignore("already healed")
        case (.uninitialised, _), (.asked, _), (.armed, _), (.refused, _), (.active, _), (.ineffective, _), (.stuck, _),
            (.healed, _):
            return .ignore("\(input) in state \(state)")
        }
    }
}
