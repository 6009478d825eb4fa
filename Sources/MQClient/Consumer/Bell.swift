import Synchronization

/// Wakes the one task that waits. A ring that nobody waits for is kept, and several are one.
final class Bell: Sendable {
    /// `silent` → `rung` | `waiting`; both → `silent`.
    private enum State {
        case silent
        case rung
        case waiting(CheckedContinuation<Void, Never>)
    }

    private let state = Mutex(State.silent)

    func ring() {
        let waiter: CheckedContinuation<Void, Never>? = state.withLock { state in
            guard case .waiting(let continuation) = state else {
                state = .rung
                return nil
            }
            state = .silent
            return continuation
        }
        waiter?.resume()
    }

    /// Waits for a ring, for the deadline or for the task's cancellation. One caller at a time.
    func wait(until deadline: ContinuousClock.Instant?) async {
        let alarm = deadline.map { deadline in
            Task {
                // Cancelled by who was woken earlier; a ring more would only make the next one look in vain.
                do { try await Task.sleep(until: deadline) } catch { return }
                ring()
            }
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isRung = state.withLock { state in
                    switch state {
                    case .waiting: preconditionFailure("two wait for one bell")
                    case .rung:
                        state = .silent
                        return true
                    case .silent:
                        state = .waiting(continuation)
                        return false
                    }
                }
                if isRung { continuation.resume() }
            }
        } onCancel: {
            ring()
        }
        alarm?.cancel()
    }
}
