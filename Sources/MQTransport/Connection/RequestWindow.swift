import Synchronization

/// How many requests of a peer are unanswered, and whether the connection is being drained: one number, so that of
/// several threads that answer at the same time exactly one sees what it has to act on.
final class RequestWindow: Sendable {
    /// What whoever ended a request has to do.
    struct Ending: Equatable {
        /// The count has just left its limit: a reader that paused there must be woken.
        var mustWakeReader: Bool
        /// The last request of a connection that is being drained has ended.
        var isDrained: Bool
    }

    /// The most requests unanswered.
    let limit: Int
    /// The count, and ``drainBit``.
    private let state = Atomic<Int>(0)

    private static let drainBit = 1 << 62

    init(limit: Int) { self.limit = limit }

    /// The requests that are unanswered.
    var count: Int { state.load(ordering: .acquiring) & ~Self.drainBit }

    /// Whether another request may be read.
    var isOpen: Bool { count < limit }

    /// A request has come; `true` when it is the one that closes the window.
    @discardableResult
    func begin() -> Bool {
        state.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue & ~Self.drainBit == limit
    }

    /// A request was answered. Decided from the value that this very subtraction found: a second look at the count
    /// would see the subtractions of others, and each could leave the waking to another one.
    func end() -> Ending {
        let before = state.wrappingSubtract(1, ordering: .acquiringAndReleasing).oldValue
        let count = before & ~Self.drainBit
        precondition(count > 0, "a request was answered that never began")
        return Ending(mustWakeReader: count == limit, isDrained: count == 1 && before & Self.drainBit != 0)
    }

    /// From now on the end of the last request is told; `true` when there is none already.
    func drain() -> Bool {
        state.bitwiseOr(Self.drainBit, ordering: .acquiringAndReleasing).oldValue & ~Self.drainBit == 0
    }
}
