import LabHistory
public import MQClient

/// The load of a trial: producers and consumers against one topic, recorded.
///
/// It knows nothing of hosts, SSH or faults; all that it needs is where the nameservers are. Tests drive it against
/// daemons of their own.
public struct Workload: Sendable {
    public var plan: WorkloadPlan
    public var topic: TopicPlan
    public var probe: ProbeMessage

    public init(plan: WorkloadPlan, topic: TopicPlan, runID: String, seed: UInt64) {
        self.plan = plan
        self.topic = topic
        probe = ProbeMessage(runID: runID, topic: topic.name, bodyBytes: plan.bodyBytes, seed: seed)
    }

    /// Runs the load while `body` does what it wants to the cluster, then stops sending and reading, and drains: every
    /// queue is read afresh to its end.
    ///
    /// - Parameters:
    ///   - faults: is opened at the first fault, where the consumers read `late`.
    ///   - drainTimeout: how long the whole drain may take; a queue that is not at its end by then is recorded as cut
    ///     short.
    /// - Throws: what `body` throws, and `TrialError` when the queues can't be learnt at the beginning.
    public func run(
        through client: MQConnection, recorder: HistoryRecorder, drainTimeout: Duration, faults: Gate = Gate(),
        while body: @Sendable () async throws -> Void
    ) async throws {
        let queues = try await readQueues(through: client)
        let consumers = (0..<plan.consumers).map { PullConsumer(group: "seatrial-probe-\($0)", client: client) }
        let drainer = PullConsumer(group: "seatrial-probe-drain", client: client)
        try await withThrowingTaskGroup(of: Void.self) { readers in
            switch plan.reading {
            case .live: start(consumers, on: queues, recorder, after: nil, in: &readers)
            case .late: start(consumers, on: queues, recorder, after: faults, in: &readers)
            case .drain: break
            }
            try await runProducers(through: client, recorder: recorder, while: body)
            recorder.record(.phase("drain"))
            // The readers end with the requests that they have under way; the drain need not wait for that.
            readers.cancelAll()
            let drain = Drain(queues: queues, consumer: drainer, index: plan.consumers, recorder: recorder)
            await drain.run(timeout: drainTimeout)
        }
        try Task.checkCancellation()
        await withDiscardingTaskGroup { group in
            for consumer in consumers + [drainer] { group.addTask { await consumer.shutdown() } }
        }
    }

    private func readQueues(through client: MQConnection) async throws -> [MessageQueue] {
        let asker = PullConsumer(group: "seatrial-probe-queues", client: client)
        let queues = try await asker.queues(for: topic.name)
        await asker.shutdown()
        guard !queues.isEmpty else {
            throw TrialError(.setUp, "topic '\(topic.name)' has no queue to read; was it created?")
        }
        return queues
    }

    /// Each consumer reads whole queues, dealt out in turn.
    private func start(
        _ consumers: [PullConsumer], on queues: [MessageQueue], _ recorder: HistoryRecorder, after gate: Gate?,
        in group: inout ThrowingTaskGroup<Void, any Error>
    ) {
        for (index, consumer) in consumers.enumerated() {
            let reader = ProbeConsumer(index: index, consumer: consumer, recorder: recorder)
            for (place, queue) in queues.enumerated() where place % consumers.count == index {
                group.addTask {
                    await gate?.pass()
                    await reader.run(queue)
                }
            }
        }
    }

    private func runProducers(
        through client: MQConnection, recorder: HistoryRecorder, while body: @Sendable () async throws -> Void
    ) async throws {
        let stop = StopFlag()
        let operations = OperationCounter()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<plan.producers {
                let producer = Producer(group: "seatrial-probe", client: client)
                let sender = ProbeProducer(
                    index: index, producer: producer, probe: probe, ratePerSecond: plan.ratePerSecond,
                    recorder: recorder, operations: operations)
                group.addTask {
                    await sender.run(until: stop)
                    await producer.shutdown()
                }
            }
            do {
                try await body()
            } catch {
                stop.raise()
                throw error
            }
            stop.raise()
            try await group.waitForAll()
        }
    }
}
