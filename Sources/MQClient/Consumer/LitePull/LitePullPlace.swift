/// How far a lite-pull consumer is in one queue. A value: brokers and time are the consumer's business.
///
/// Three places, each at or before the next one: what is committed, what is done, what was read and given.
struct LitePullPlace: Sendable, Equatable {
    /// The next to read and give; `nil` until it is known where to begin.
    private(set) var position: Int64?
    /// The next that is not done; known as soon as ``position`` is.
    private(set) var done: Int64?
    /// The end of what the application has in its hands; `nil` when it has nothing.
    private(set) var handed: Int64?
    private var committed: Int64?

    /// What has to be told to the broker; `nil` when it knows.
    var toCommit: Int64? { done == committed ? nil : done }

    /// It begins here, unless a seek came first.
    mutating func begin(at offset: Int64, isCommitted: Bool) {
        if isCommitted { committed = offset }
        guard position == nil else { return }
        position = offset
        done = offset
    }

    /// There was nothing up to here that is wanted: as done as what lies before it.
    mutating func pass(to next: Int64) {
        if done == position { done = next }
        if handed == position { handed = next }
        position = next
    }

    /// The application gets what lies before `next`.
    mutating func give(upTo next: Int64) {
        position = next
        handed = next
    }

    /// The application is done with what it got.
    mutating func finish() {
        if let handed { done = handed }
        handed = nil
    }

    /// The application is done with one message and all before it; what else it has stays in its hands. `false` when the
    /// message is not read any more, since the place was set before it: then it comes again.
    mutating func finish(through offset: Int64) -> Bool {
        guard let position, offset < position else { return false }
        done = offset + 1
        if let end = handed, end <= offset + 1 { handed = nil }
        return true
    }

    /// Goes on elsewhere; nothing is in the application's hands any more.
    mutating func seek(to offset: Int64) {
        position = offset
        done = offset
        handed = nil
    }

    /// The broker has taken this as committed.
    mutating func didCommit(_ offset: Int64) { committed = offset }
}
