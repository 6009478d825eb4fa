/// When is loaded and when is counted: a warm-up, then the counted time.
struct Window: Sendable {
    let opens: ContinuousClock.Instant
    let closes: ContinuousClock.Instant

    init(_ options: RunOptions, from now: ContinuousClock.Instant = .now) {
        opens = now + .seconds(options.warmup)
        closes = opens + .seconds(options.seconds)
    }

    var length: Duration { closes - opens }

    /// Whether an operation counts: it must end inside, or a slow start would count what the warm-up paid for.
    func counts(_ end: ContinuousClock.Instant) -> Bool { end >= opens && end < closes }

    /// Reads the meter when the window opens and when it closes.
    func meter(_ pid: Int32?) async -> ProcessMeter.Spent? {
        guard let pid else { return nil }
        try? await Task.sleep(until: opens, clock: .continuous)
        let before = ProcessMeter.read(pid)
        try? await Task.sleep(until: closes, clock: .continuous)
        let after = ProcessMeter.read(pid)
        return before.flatMap { before in after.map { $0.since(before) } }
    }
}
