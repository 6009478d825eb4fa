/// A fault as asked for: a deed that is lent for a time and comes back by itself.
public struct FaultLoan: Codable, Sendable, Equatable {
    /// Its name for life, chosen by the controller: letters, digits, `.`, `_`, `-`.
    public var uid: String
    /// What is done.
    public var kind: FaultKind
    /// After how many milliseconds it is undone even if agent and controller are dead.
    public var ttlMilliseconds: Int64

    /// A loan to ask for.
    public init(uid: String, kind: FaultKind, ttlMilliseconds: Int64) {
        self.uid = uid
        self.kind = kind
        self.ttlMilliseconds = ttlMilliseconds
    }
}

/// What a fault does.
public enum FaultKind: Codable, Sendable, Equatable {
    /// Sends a daemon a signal. SIGKILL is undone by starting it again, SIGSTOP by SIGCONT.
    case processSignal(daemon: String, signal: Int32)
    /// Ends a daemon with a signal and starts it again at once. There is nothing to undo but a start that failed.
    case processRestart(daemon: String, signal: Int32)
    /// Kills a daemon again and again: whenever it has been up for so long after a start. The loan's timer does it.
    case crashLoop(daemon: String, upMilliseconds: Int64)
    /// Removes everything inside a directory below the root. No undo is possible: what was there is gone.
    case storeWipe(path: String)
    /// Fills the filesystem of a directory below the root to its last block.
    case diskFull(path: String)
    /// Cuts packets off, by peer and port.
    case network(NetworkFault)
}

/// Where a loan is in its life.
public enum FaultState: String, Codable, Sendable {
    // → active, healed, stuck
    /// The undo is on disk and the timer runs; the deed may or may not have happened.
    case armed
    // → healed, stuck
    /// The deed was done.
    case active
    // → nothing
    /// The undo was done and seen.
    case healed
    // → healed, stuck
    /// The undo was tried and its effect was not seen; `message` says what to do.
    case stuck
}

/// The undo of a fault, derived from the loan alone and written before the deed.
public enum FaultUndo: Codable, Sendable, Equatable {
    /// Start the daemon again from its recorded spec, if it is still meant to run.
    case startDaemon(String)
    /// Send SIGCONT.
    case continueDaemon(String)
    /// Remove what fills the filesystem of this directory.
    case freeDisk(String)
    /// Remove the nftables table of this name.
    case removeTable(String)
    /// Nothing to undo: none is needed, or none is possible.
    case nothing(reason: String)
}

/// A loan as the host remembers it, in `<root>/faults/<uid>.json`.
public struct FaultRecord: Codable, Sendable, Equatable {
    /// What was asked for.
    public var loan: FaultLoan
    /// How it comes back.
    public var undo: FaultUndo
    /// Where it is in its life.
    public var state: FaultState
    /// Whether the deed was seen to take effect; nil before the probe. A run with a false one is inconclusive.
    public var bit: Bool?
    /// Host realtime when the undo was written, in nanoseconds since 1970.
    public var armedAt: Int64
    /// Host realtime just before the deed.
    public var deedAt: Int64?
    /// Host realtime when the effect was seen.
    public var activeAt: Int64?
    /// Host realtime when the undo was seen.
    public var healedAt: Int64?
    /// Host boot-time clock (`CLOCK_BOOTTIME`, ns) at which the timer reverts; unlike realtime no clock fault moves it.
    public var expiresAtBoot: Int64
    /// Which boot of the host that clock belongs to: after another boot the loan is due at once.
    public var bootID: String
    /// The detached timer's process, to end it when the fault is healed early.
    public var timer: ProcessIdentity?
    /// Whether the timer undid it: its time was over before anybody healed it. Nil until it is healed.
    public var expired: Bool?
    /// What a person should know: what was seen of the bite or of the heal, or why an undo failed.
    public var message: String?
    /// Of a network fault that was undone: what does not answer all the same, as another host's part may still be there.
    public var unanswered: [NetworkProbe]?
}

/// A process beyond doubt: its id and when it started, so that a reused id is not mistaken for it.
public struct ProcessIdentity: Codable, Sendable, Equatable, Hashable {
    /// The process id.
    public var pid: Int32
    /// Field 22 of `/proc/PID/stat`, in clock ticks since boot.
    public var startTicks: UInt64

    /// An identity read from `/proc` or from a record.
    public init(pid: Int32, startTicks: UInt64) {
        self.pid = pid
        self.startTicks = startTicks
    }
}
