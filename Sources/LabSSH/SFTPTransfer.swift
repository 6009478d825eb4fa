import Synchronization

/// A transfer that runs in a task of its own, and the caller who may leave it.
///
/// A half-done SFTP operation can't be dropped: libssh2 would take the next one for its continuation. So a transfer is
/// never cancelled within an operation. Its caller, when cancelled, leaves at once, and the transfer, which looks at
/// `isAbandoned` between operations, takes its traces away.
final class SFTPTransfer<Value: Sendable>: Sendable {
    private enum State {
        /// → `awaited`, `ended` or `abandoned`.
        case running
        /// → `ended` or `abandoned`.
        case awaited(CheckedContinuation<Result<Value, SSHError>?, Never>)
        /// Final.
        case ended(Result<Value, SSHError>)
        /// Final.
        case abandoned
    }

    private let state = Mutex(State.running)

    /// Whether the caller has left.
    var isAbandoned: Bool {
        state.withLock { state in
            if case .abandoned = state { true } else { false }
        }
    }

    /// Takes the outcome; nobody hears of it if the caller has left.
    func end(_ outcome: Result<Value, SSHError>) {
        settle(.ended(outcome), outcome)
    }

    /// Lets the caller go.
    func abandon() {
        settle(.abandoned, nil)
    }

    /// The outcome, or nil if the transfer was abandoned. To be called once.
    func outcome() async -> Result<Value, SSHError>? {
        await withCheckedContinuation { continuation in
            let known: Result<Value, SSHError>?? = state.withLock { state in
                switch state {
                case .running, .awaited:
                    state = .awaited(continuation)
                    return .none
                case .ended(let outcome): return .some(outcome)
                case .abandoned: return .some(nil)
                }
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    private func settle(_ end: State, _ outcome: Result<Value, SSHError>?) {
        let caller: CheckedContinuation<Result<Value, SSHError>?, Never>? = state.withLock { state in
            switch state {
            case .running:
                state = end
                return nil
            case .awaited(let continuation):
                state = end
                return continuation
            case .ended, .abandoned: return nil
            }
        }
        caller?.resume(returning: outcome)
    }
}
