/// A fault passed from one state of its life to the next.
public struct FaultNews: Sendable, Equatable {
    public enum Edge: String, Sendable, Equatable {
        /// The host is being asked to lend it: from here on it may be there.
        case asked
        /// Its undo is on the host's disk.
        case armed
        /// The host would not lend it, and has nothing of it.
        case refused
        /// A probe saw it bite.
        case active
        /// It was done, and no probe saw an effect.
        case didNotBite
        /// A probe saw that it is gone.
        case healed
        /// Its time-to-live was over before it was healed: the host undid it by itself.
        case expired
        /// It could not be undone.
        case stuck
    }

    public var uid: String
    /// Its name in the plan.
    public var planID: String
    /// `process-signal KILL`, `store-wipe`, …
    public var kind: String
    /// Whom it struck, as in `broker-a on n2`.
    public var target: String
    public var edge: Edge
    public var detail: String
    /// When, by the host's own clock; nil where the controller alone can say, and then it is now.
    public var time: HostTime?
}
