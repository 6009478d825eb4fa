/// What a run proved; the one place that maps it to an exit status.
public enum VerdictStatus: String, Sendable, Equatable, CaseIterable {
    /// Everything that was promised held, and could have been seen not to.
    case pass
    /// A promise was broken.
    case fail
    /// It could not be checked; the finding says what to run again.
    case inconclusive
    /// The lab itself broke; nothing is said of the cluster.
    case error

    /// Exit status of a command that ends with this verdict: 0, 1, 2, 3 (64 is for usage, which is no verdict).
    public var exitStatus: Int32 {
        switch self {
        case .pass: 0
        case .fail: 1
        case .inconclusive: 2
        case .error: 3
        }
    }

    /// Which of two statuses speaks for both: `fail` over `error` over `inconclusive` over `pass`.
    ///
    /// A broken promise was seen with its witness, and no gap elsewhere in the run can take it back. The reverse
    /// care is taken where a finding is made: what a gap *could* explain is not called a failure in the first place
    /// (an undelivered message is lost only after a complete drain and scan; otherwise it is `undecided`).
    public func merged(with other: VerdictStatus) -> VerdictStatus {
        rank >= other.rank ? self : other
    }

    private var rank: Int {
        switch self {
        case .pass: 0
        case .inconclusive: 1
        case .error: 2
        case .fail: 3
        }
    }
}
