import Synchronization

/// Lets messages into the log while this broker is the master, and knows when the last one let in is through.
///
/// Whoever is the master no longer must not write any more, or its log would move while it is compared with another's.
final class AppendGate: Sendable {
    private struct State {
        var isOpen = false
        var inside = 0
        var waiting: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())

    /// Whether one may go in; each that does is to ``leave()``.
    func enter() -> Bool {
        state.withLock { state in
            if state.isOpen { state.inside += 1 }
            return state.isOpen
        }
    }

    func leave() {
        let waiting = state.withLock { state -> [@Sendable () -> Void] in
            state.inside -= 1
            guard state.inside == 0 else { return [] }
            defer { state.waiting = [] }
            return state.waiting
        }
        for wake in waiting { wake() }
    }

    func open() { state.withLock { $0.isOpen = true } }

    /// Lets nobody in any more, and waits for those who are.
    func close() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                state.isOpen = false
                if state.inside > 0 { state.waiting.append { continuation.resume() } }
                return state.inside == 0
            }
            if isEmpty { continuation.resume() }
        }
    }
}
