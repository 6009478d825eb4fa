import Synchronization

/// What was pushed to a peer and is not with the kernel yet: requests of our own, one-way or with an answer.
///
/// Nobody makes a peer read. What it does not take is bounded here by count and bytes, and not by whether the channel
/// is writable: a large answer on its way must not cost a consumer the notice that its group has changed. A request whose
/// time is up still counts until its bytes are gone.
final class PushWindow: Sendable {
    /// Requests that wait to be written, at most.
    static let countLimit = 1024
    /// The bytes above which nothing more is pushed; one request of any size is taken below.
    static let limitBytes = 4 << 20

    private let state = Mutex((count: 0, bytes: 0))

    /// Counts a request that is about to be written; `false` when it must not be.
    func begin(bytes: Int) -> Bool {
        state.withLock { state in
            guard state.count < Self.countLimit, state.bytes < Self.limitBytes else { return false }
            state.count += 1
            state.bytes += bytes
            return true
        }
    }

    /// Requests are with the kernel, or will never be.
    func end(count: Int, bytes: Int) {
        state.withLock { state in
            state.count -= count
            state.bytes -= bytes
            precondition(state.count >= 0 && state.bytes >= 0, "more was written than pushed")
        }
    }
}
