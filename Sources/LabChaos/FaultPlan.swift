/// A fault as a plan names it: what is to be broken, whom it strikes, and for how long at most.
public struct FaultPlan: Sendable, Equatable, Decodable {
    /// Unique in the schedule; `heal:` names it.
    public var id: String
    public var kind: Kind
    /// Name of the daemon that it strikes, as in the mode's file.
    public var target: String
    /// For `process-signal`: `KILL`, `TERM`, `STOP`, `WINCH`, …
    public var signal: String?
    /// The fault is undone by the host itself after so long, whatever becomes of the controller.
    public var ttlSeconds: Double

    public enum Kind: String, Sendable, Equatable, Decodable, CaseIterable {
        case processSignal = "process-signal"
        case storeWipe = "store-wipe"
        /// The power of the host on which the daemon runs.
        case powerLoss = "power-loss"
        /// The filesystem on which the daemon's store lies.
        case diskFull = "disk-full"
    }

    /// `process-signal KILL`, `store-wipe`: how histories and reports name what is done.
    public var label: String { signal.map { "\(kind.rawValue) \($0)" } ?? kind.rawValue }

    /// Whether there is an undo. A deed without one is over when it is done, and no time-to-live can end it.
    public var isUndone: Bool { kind != .storeWipe }

    enum CodingKeys: String, CodingKey {
        case id, kind, target, signal
        case ttlSeconds = "ttl_seconds"
    }
}
