import LabHistory
import MQClient

/// The reading side of the load: every queue of the topic is read from its first offset on by one consumer, and every
/// message is recorded as it arrives.
///
/// A consumer owns whole queues and its position in each; nothing is committed to the broker, so that what was read
/// depends on this reader alone. A lost connection does not move a position: the same assignment goes on.
struct ProbeConsumer: Sendable {
    /// How long an empty pull is held by the broker, and the pause after a failed one.
    static let hold = Duration.seconds(1)
    static let pauseAfterFailure = Duration.milliseconds(50)
    static let batch: Int32 = 32

    let index: Int
    let consumer: PullConsumer
    let recorder: HistoryRecorder

    /// Reads `queue` until the task is cancelled.
    func run(_ queue: MessageQueue) async {
        var assignment = 0
        var position: Int64 = 0
        var unreadable = UnreadableNotice()
        while !Task.isCancelled {
            do {
                let result = try await consumer.pull(queue, from: position, max: Self.batch, hold: Self.hold)
                for message in result.messages {
                    recorder.record(.deliver(Self.delivery(message, consumer: index, assignment: assignment)))
                }
                if result.status == .offsetIllegal || result.nextOffset < position {
                    // The broker set the reader elsewhere: order is promised inside one assignment only.
                    assignment += 1
                }
                position = result.nextOffset
            } catch {
                if let notice = unreadable.of(error, queue, position, consumer: index) {
                    recorder.record(.unreadable(notice))
                }
                try? await Task.sleep(for: Self.pauseAfterFailure)
            }
        }
    }

    static func delivery(
        _ message: ReceivedMessage, consumer: Int, assignment: Int, isDrain: Bool = false
    ) -> Delivery {
        Delivery(
            consumer: consumer, assignment: assignment, broker: message.queue.brokerName,
            queueID: Int(message.queue.queueID), queueOffset: message.queueOffset,
            value: message.keys.first.flatMap { ValueID($0) },
            runID: message.properties[ProbeMessage.runProperty], bodyHash: BodyHash.of(message.body), isDrain: isDrain)
    }
}

/// Tells which failures of a reader are evidence: an answer that can't be taken apart is, a lost connection is not.
///
/// A reader asks again and again for what it can't read; each offset is told once, so that a broken one can't flood the
/// history.
struct UnreadableNotice: Sendable {
    /// A longer reason is cut; a line of a history is bounded.
    static let maximumDetail = 400

    private var told: Int64?

    mutating func of(
        _ error: MQClientError, _ queue: MessageQueue, _ offset: Int64, consumer: Int
    ) -> UnreadableAnswer? {
        guard case .unreadableAnswer = error, told != offset else { return nil }
        told = offset
        return UnreadableAnswer(
            consumer: consumer, broker: queue.brokerName, queueID: Int(queue.queueID), queueOffset: offset,
            detail: String("\(error)".prefix(Self.maximumDetail)))
    }
}
