/// The one clock of a run: the controller's monotonic clock, read as nanoseconds since the run began.
public struct RunClock: Sendable {
    private let start: ContinuousClock.Instant
    private let now: @Sendable () -> ContinuousClock.Instant

    /// - Parameter now: where time comes from; a test passes its own.
    public init(now: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }) {
        self.now = now
        start = now()
    }

    public var nanoseconds: Int64 {
        let elapsed = (now() - start).components
        return elapsed.seconds * 1_000_000_000 + elapsed.attoseconds / 1_000_000_000
    }
}
