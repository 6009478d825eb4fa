import LabHistory
import MQClient
import Synchronization

/// One producer of the load: sends its sequence of values at a steady rate and records every attempt.
///
/// It never retries a value: an attempt whose end is unknown stays `info`, and the next turn sends the next value.
/// (A retry that nobody sees turns a duplicate of the client into one of the broker.)
struct ProbeProducer: Sendable {
    let index: Int
    let producer: Producer
    let probe: ProbeMessage
    let ratePerSecond: Double
    let recorder: HistoryRecorder
    let operations: OperationCounter

    /// Sends until `stop` is raised or the task is cancelled.
    func run(until stop: StopFlag) async {
        let interval = Duration.seconds(1 / ratePerSecond)
        var next = ContinuousClock.now
        var sequence = 0
        var queues: [MessageQueue] = []
        while !stop.isRaised, !Task.isCancelled {
            if queues.isEmpty {
                queues = (try? await producer.queues(for: probe.topic)) ?? []
            }
            let queue = queues.isEmpty ? nil : queues[(sequence + index) % queues.count]
            await attempt(ValueID(producer: index, sequence: sequence), to: queue)
            sequence += 1
            next += interval
            // After a slow attempt the lost turns are not made up for: a burst would hide the outage that it followed.
            if next < .now { next = .now }
            try? await Task.sleep(until: next, clock: .continuous)
        }
    }

    private func attempt(_ value: ValueID, to queue: MessageQueue?) async {
        let operation = operations.next()
        let message = probe.message(value)
        recorder.record(
            .invoke(
                SendInvocation(
                    operation: operation, value: value, topic: probe.topic, bodyHash: BodyHash.of(message.body),
                    bodyBytes: message.body.count)))
        do {
            let receipt = try await producer.send(message, to: queue, attempts: 1)
            recorder.record(.complete(Self.completion(operation, receipt)))
        } catch {
            recorder.record(.complete(Self.completion(operation, error)))
        }
    }

    static func completion(_ operation: Int, _ receipt: SendReceipt) -> SendCompletion {
        SendCompletion(
            operation: operation, outcome: receipt.status == .ok ? .ok : .weak, status: "\(receipt.status)",
            stored: StoredAt(
                broker: receipt.queue.brokerName, queueID: Int(receipt.queue.queueID),
                queueOffset: receipt.queueOffset, uniqueID: receipt.messageID, offsetID: receipt.offsetMessageID))
    }

    /// Only what certainly never reached a log is `fail`; whoever doubts says `info`.
    static func completion(_ operation: Int, _ error: any Error) -> SendCompletion {
        guard let error = error as? MQClientError else {
            return SendCompletion(operation: operation, outcome: .info, status: "unknown", detail: "\(error)")
        }
        let outcome: SendOutcome =
            switch error.outcome {
            case .notSent: .fail
            case .refused(let code, _): refusalsBeforeTheLog.contains(code) ? .fail : .info
            case .unknown: .info
            }
        return SendCompletion(operation: operation, outcome: outcome, status: error.label, detail: "\(error)")
    }

    /// Codes that a broker gives before it touches its log: SYSTEM_BUSY, MESSAGE_ILLEGAL, SERVICE_NOT_AVAILABLE,
    /// NO_PERMISSION, TOPIC_NOT_EXIST. SYSTEM_ERROR is not among them: it may come after the append.
    private static let refusalsBeforeTheLog: Set<Int32> = [2, 13, 14, 16, 17]
}

/// Numbers operations across all producers of a run, from 0.
final class OperationCounter: Sendable {
    private let value = Atomic<Int>(0)
    func next() -> Int { value.add(1, ordering: .relaxed).oldValue }
}

/// Told once, read by many.
final class StopFlag: Sendable {
    private let raised = Atomic<Bool>(false)
    var isRaised: Bool { raised.load(ordering: .acquiring) }
    func raise() { raised.store(true, ordering: .releasing) }
}
