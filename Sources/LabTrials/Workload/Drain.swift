import LabHistory
import MQClient

/// Reads every queue afresh, from the first offset that its broker has to the end that it tells, once, after the last
/// heal: what the brokers owe at the end is read without trusting any position of before.
///
/// A reader that was there all along may have passed offsets that a permitted loss gave out again. This one knows
/// nothing. All queues are read at once, and the time-out bounds the whole of it: a request that is still under way
/// then is left to its own end, and what it brings is not recorded any more.
struct Drain: Sendable {
    static let pauseAfterFailure = Duration.milliseconds(20)

    let queues: [MessageQueue]
    let consumer: PullConsumer
    /// The consumer's number in the history.
    let index: Int
    let recorder: HistoryRecorder

    /// Drains, and records how far each queue was read.
    func run(timeout: Duration) async {
        let deadline = ContinuousClock.now + timeout
        let board = DrainBoard(queues)
        let readers = queues.map { queue in Task { await read(queue, board) } }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                // Cancelled when all queues are done; then closing changes nothing.
                try? await Task.sleep(until: deadline, clock: .continuous)
                board.close()
            }
            await board.wait()
            group.cancelAll()
        }
        for reader in readers { reader.cancel() }
        // Whoever interrupted it did not wait for the broker: nothing may be said of it.
        guard !Task.isCancelled else { return }
        for drain in board.results(queues) { recorder.record(.drained(drain)) }
    }

    private func read(_ queue: MessageQueue, _ board: DrainBoard) async {
        let askEnd = { () async throws(MQClientError) in try await consumer.maxOffset(of: queue) }
        let askFirst = { () async throws(MQClientError) in try await consumer.minOffset(of: queue) }
        guard let end = await ask(queue, board, askEnd), let first = await ask(queue, board, askFirst) else { return }
        var position = max(0, first)
        var assignment = 0
        var unreadable = UnreadableNotice()
        board.begin(queue, first: position, end: end)
        while position < end, !Task.isCancelled {
            do throws(MQClientError) {
                let result = try await consumer.pull(queue, from: position, max: ProbeConsumer.batch)
                let deliveries = result.messages.map {
                    ProbeConsumer.delivery($0, consumer: index, assignment: assignment, isDrain: true)
                }
                let next = result.nextOffset
                board.read(queue, deliveries.count, reached: next) {
                    for delivery in deliveries { recorder.record(.deliver(delivery)) }
                }
                if result.status == PullStatus.offsetIllegal || next < position { assignment += 1 }
                if next == position { await pause(queue, board, "the broker has nothing at offset \(position)") }
                position = next
            } catch {
                let notice = unreadable.of(error, queue, position, consumer: index)
                board.failed(queue, "\(error)") {
                    if let notice { recorder.record(.unreadable(notice)) }
                }
                try? await Task.sleep(for: Self.pauseAfterFailure)
            }
        }
    }

    /// Asks until there is an answer; nil when the drain is over before.
    private func ask(
        _ queue: MessageQueue, _ board: DrainBoard, _ question: () async throws(MQClientError) -> Int64
    ) async -> Int64? {
        while !Task.isCancelled {
            do throws(MQClientError) { return try await question() } catch { await pause(queue, board, "\(error)") }
        }
        return nil
    }

    private func pause(_ queue: MessageQueue, _ board: DrainBoard, _ reason: String) async {
        board.failed(queue, reason)
        try? await Task.sleep(for: Self.pauseAfterFailure)
    }
}
