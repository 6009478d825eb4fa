import LabHistory
import MQClient
import Synchronization

/// How far the drain is, queue by queue; closed when its time is up, after which nothing that still arrives counts.
///
/// The readers of a drain can't be stopped in the middle of a request. So they write here, and the board, not they,
/// says when the drain is over: when all queues are done, or when it is closed.
final class DrainBoard: Sendable {
    private struct Row {
        var first: Int64 = 0
        var reached: Int64 = 0
        /// Nil while the broker has not told.
        var end: Int64?
        var messages = 0
        var lastFailure: String?
        var isDone = false
    }

    private struct State {
        var rows: [MessageQueue: Row]
        var isClosed = false
        var waiter: CheckedContinuation<Void, Never>?

        var isOver: Bool { isClosed || rows.values.allSatisfy(\.isDone) }
    }

    private let state: Mutex<State>

    init(_ queues: [MessageQueue]) {
        state = Mutex(State(rows: Dictionary(uniqueKeysWithValues: queues.map { ($0, Row()) })))
    }

    /// What the broker told of a queue, once: where it begins and where it ends.
    func begin(_ queue: MessageQueue, first: Int64, end: Int64) {
        update(queue) { row in
            row.first = first
            row.reached = first
            row.end = end
            row.isDone = first >= end
        }
    }

    /// A pull's messages, and the offset to go on at; `record` is called only while the board is open.
    func read(_ queue: MessageQueue, _ messages: Int, reached: Int64, record: () -> Void) {
        update(queue) { row in
            record()
            row.messages += messages
            row.reached = reached
            row.isDone = row.end.map { reached >= $0 } ?? false
        }
    }

    func failed(_ queue: MessageQueue, _ reason: String, record: () -> Void = {}) {
        update(queue) { row in
            record()
            row.lastFailure = reason
        }
    }

    /// Ends the drain, however far it is.
    func close() { settle { $0.isClosed = true } }

    /// Returns when all queues are done, or the board is closed. One caller at a time.
    func wait() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                precondition(state.waiter == nil, "two wait for one drain")
                if !state.isOver { state.waiter = continuation }
                return state.isOver
            }
            if isOver { continuation.resume() }
        }
    }

    /// What to record of each queue, in the order given.
    func results(_ queues: [MessageQueue]) -> [QueueDrain] {
        state.withLock { state in
            queues.compactMap { queue in
                state.rows[queue].map { row in
                    QueueDrain(
                        broker: queue.brokerName, queueID: Int(queue.queueID), firstOffset: row.first,
                        reachedOffset: row.reached, maxOffset: row.end ?? -1, messages: row.messages,
                        complete: row.isDone, detail: row.isDone ? "" : Self.reason(row))
                }
            }
        }
    }

    private static func reason(_ row: Row) -> String {
        let place = row.end.map { "at \(row.reached) of \($0)" } ?? "its end was never told"
        return "still unread when the drain's time was up: \(row.lastFailure.map { "\(place), \($0)" } ?? place)"
    }

    private func update(_ queue: MessageQueue, _ change: (inout Row) -> Void) {
        settle { state in
            guard !state.isClosed, state.rows[queue]?.isDone == false else { return }
            state.rows[queue].map { row in
                var row = row
                change(&row)
                state.rows[queue] = row
            }
        }
    }

    private func settle(_ change: (inout State) -> Void) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            change(&state)
            guard state.isOver else { return nil }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}
