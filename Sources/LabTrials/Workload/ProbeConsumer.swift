import LabHistory
import MQClient
import Synchronization

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
    let positions: ReadPositions

    /// Reads `queue` until the task is cancelled.
    func run(_ queue: MessageQueue) async {
        var assignment = 0
        while !Task.isCancelled {
            do {
                let from = positions[queue]
                let result = try await consumer.pull(queue, from: from, max: Self.batch, hold: Self.hold)
                for message in result.messages {
                    recorder.record(.deliver(Self.delivery(message, consumer: index, assignment: assignment)))
                }
                if result.status == .offsetIllegal || result.nextOffset < from {
                    // The broker set the reader elsewhere: order is promised inside one assignment only.
                    assignment += 1
                }
                positions[queue] = result.nextOffset
            } catch {
                try? await Task.sleep(for: Self.pauseAfterFailure)
            }
        }
    }

    static func delivery(_ message: ReceivedMessage, consumer: Int, assignment: Int) -> Delivery {
        Delivery(
            consumer: consumer, assignment: assignment, broker: message.queue.brokerName,
            queueID: Int(message.queue.queueID), queueOffset: message.queueOffset,
            value: message.keys.first.flatMap { ValueID($0) },
            runID: message.properties[ProbeMessage.runProperty], bodyHash: BodyHash.of(message.body))
    }
}

/// How far each queue was read: the next offset to ask for.
final class ReadPositions: Sendable {
    private let offsets = Mutex<[MessageQueue: Int64]>([:])

    subscript(queue: MessageQueue) -> Int64 {
        get { offsets.withLock { $0[queue] ?? 0 } }
        set { offsets.withLock { $0[queue] = newValue } }
    }
}
