/// Told how long the store's work takes, in nanoseconds; on the store's threads, so that nothing here may block.
public struct StoreMeters: Sendable {
    /// An append waited so long for the writer.
    public var waited: @Sendable (Int64) -> Void
    /// A write of the log took so long: mostly memory, until the page cache is under pressure.
    public var wrote: @Sendable (Int64) -> Void
    /// A sync of the log took so long.
    public var synced: @Sendable (Int64) -> Void

    /// Meters; each does nothing unless given.
    public init(
        waited: @escaping @Sendable (Int64) -> Void = { _ in }, wrote: @escaping @Sendable (Int64) -> Void = { _ in },
        synced: @escaping @Sendable (Int64) -> Void = { _ in }
    ) {
        self.waited = waited
        self.wrote = wrote
        self.synced = synced
    }

    /// Runs `body` and tells `meter` how long it took on the monotonic clock.
    static func timed<Failure: Error>(
        _ meter: @Sendable (Int64) -> Void, _ body: () throws(Failure) -> Void
    ) throws(Failure) {
        let start = MonotonicClock.nanoseconds()
        defer { meter(MonotonicClock.nanoseconds() - start) }
        try body()
    }
}
