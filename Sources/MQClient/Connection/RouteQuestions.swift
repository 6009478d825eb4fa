import Synchronization

/// Questions for routes, each topic's asked by one task for all who want to know.
///
/// When a broker fails, every task that sends to it wants a new route at the same moment, and the nameserver is asked once
/// for all of them. An answer is only given to those who asked before its question was sent: whoever comes while one is on
/// its way may know better than that one, and hears the next.
final class RouteQuestions: Sendable {
    typealias Answer = Result<TopicRoute, MQClientError>
    typealias Ask = @Sendable () async -> Answer

    private typealias Waiting = [UInt64: CheckedContinuation<Answer, Never>]

    /// A topic about which a question is on its way.
    private struct Topic {
        var task: Task<Void, Never>
        /// Who hears its answer, and who that of the next question.
        var now: Waiting
        var next: Waiting = [:]
    }

    private struct State {
        var topics: [String: Topic] = [:]
        var lastTicket: UInt64 = 0
        var isShutDown = false
    }

    private let state = Mutex(State())

    /// The answer to a question that is sent from now on; ``MQClientError/cancelled`` at once when the task is cancelled.
    func answer(about topic: String, _ ask: @escaping Ask) async -> Answer {
        let ticket = state.withLock { state in
            state.lastTicket += 1
            return state.lastTicket
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                enter(topic, ticket, continuation, ask)
                // Cancelled before it was there to be found.
                if Task.isCancelled { leave(topic, ticket) }
            }
        } onCancel: {
            leave(topic, ticket)
        }
    }

    /// Ends what is on its way; whoever waits hears that it was cancelled.
    func shutdown() async {
        let tasks = state.withLock { state in
            state.isShutDown = true
            return state.topics.values.map(\.task)
        }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }

    private func enter(
        _ topic: String, _ ticket: UInt64, _ continuation: CheckedContinuation<Answer, Never>, _ ask: @escaping Ask
    ) {
        let isLate = state.withLock { state in
            if state.isShutDown { return true }
            if state.topics[topic] != nil {
                state.topics[topic]?.next[ticket] = continuation
            } else {
                state.topics[topic] = Topic(task: task(topic, ask), now: [ticket: continuation])
            }
            return false
        }
        if isLate { continuation.resume(returning: .failure(.cancelled)) }
    }

    private func leave(_ topic: String, _ ticket: UInt64) {
        let continuation = state.withLock { state in
            state.topics[topic]?.now.removeValue(forKey: ticket)
                ?? state.topics[topic]?.next.removeValue(forKey: ticket)
        }
        continuation?.resume(returning: .failure(.cancelled))
    }

    private func task(_ topic: String, _ ask: @escaping Ask) -> Task<Void, Never> {
        Task {
            var isWanted = true
            while isWanted {
                let answer = await ask()
                let heard = finish(topic, &isWanted)
                for continuation in heard.values { continuation.resume(returning: answer) }
            }
        }
    }

    /// Takes out who hears this answer. Those who came meanwhile are the next one's; when there are none, the question ends
    /// in the same step, so that whoever comes a moment later begins another.
    private func finish(_ topic: String, _ isWanted: inout Bool) -> Waiting {
        let (heard, goesOn) = state.withLock { state -> (Waiting, Bool) in
            guard let asked = state.topics[topic] else { return ([:], false) }
            let goesOn = !asked.next.isEmpty
            state.topics[topic] = goesOn ? Topic(task: asked.task, now: asked.next) : nil
            return (asked.now, goesOn)
        }
        isWanted = goesOn
        return heard
    }
}
