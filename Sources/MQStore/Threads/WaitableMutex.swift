import Glibc

/// A lock around a value, whose holder can wait for the value to change.
///
/// `Synchronization.Mutex` has no condition; the store's threads sleep on one instead of polling. Deadlines are on the
/// monotonic clock.
package final class WaitableMutex<State>: @unchecked Sendable {
    // @unchecked: `state` is touched only between lock and unlock of `mutex`.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var state: State
    /// How many threads wait; touched under the lock.
    private var waiters = 0

    package init(_ state: State) {
        self.state = state
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        let made = pthread_mutex_init(mutex, nil) == 0 && pthread_cond_init(condition, &attributes) == 0
        precondition(made, "a mutex could not be made")
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Works on the value under the lock.
    package func withLock<Result>(_ body: (inout State) throws -> Result) rethrows -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&state)
    }

    /// Works on the value under the lock and wakes all who wait, after it: who is woken finds the lock free.
    package func withLockAndWake<Result>(_ body: (inout State) throws -> Result) rethrows -> Result {
        pthread_mutex_lock(mutex)
        defer {
            let mustWake = waiters > 0
            pthread_mutex_unlock(mutex)
            if mustWake { pthread_cond_broadcast(condition) }
        }
        return try body(&state)
    }

    /// Waits until `isReady`, or for `milliseconds` at most, then works on the value under the lock.
    ///
    /// After a time-out `body` runs all the same: it looks at the value.
    package func wait<Result>(
        atMostMilliseconds milliseconds: Int64? = nil, until isReady: (State) -> Bool,
        _ body: (inout State) throws -> Result
    ) rethrows -> Result {
        try wait(atMostNanoseconds: milliseconds.map { $0 * 1_000_000 }, until: isReady, body)
    }

    /// The same with a limit in nanoseconds.
    package func wait<Result>(
        atMostNanoseconds limit: Int64?, until isReady: (State) -> Bool,
        _ body: (inout State) throws -> Result
    ) rethrows -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        waiters += 1
        defer { waiters -= 1 }
        if let limit {
            var deadline = timespec()
            clock_gettime(CLOCK_MONOTONIC, &deadline)
            let nanoseconds = Int64(deadline.tv_nsec) + limit % 1_000_000_000
            deadline.tv_sec += Int(limit / 1_000_000_000 + nanoseconds / 1_000_000_000)
            deadline.tv_nsec = Int(nanoseconds % 1_000_000_000)
            while !isReady(state) {
                if pthread_cond_timedwait(condition, mutex, &deadline) != 0 { break }
            }
        } else {
            while !isReady(state) { pthread_cond_wait(condition, mutex) }
        }
        return try body(&state)
    }
}
