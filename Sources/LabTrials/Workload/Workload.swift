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

    /// Runs the load while `body` does what it wants to the cluster, then stops sending and reads every queue to its end.
    ///
    /// - Parameters:
    ///   - drainTimeout: how long reading may go on after the last send; a queue that is not at its end by then is
    ///     recorded as cut short.
    /// - Throws: what `body` throws, and `TrialError` when the queues can't be learnt at the beginning.
    public func run(
        through client: MQConnection, recorder: HistoryRecorder, drainTimeout: Duration,
        while body: @Sendable () async throws -> Void
    ) async throws {
        let queues = try await readQueues(through: client)
        let positions = ReadPositions()
        let consumers = (0..<plan.consumers).map { PullConsumer(group: "seatrial-probe-\($0)", client: client) }
        try await withThrowingTaskGroup(of: Void.self) { readers in
            if plan.reading == .live { start(consumers, on: queues, recorder, positions, in: &readers) }
            try await runProducers(through: client, recorder: recorder, while: body)
            recorder.record(.phase("drain"))
            if plan.reading == .drain { start(consumers, on: queues, recorder, positions, in: &readers) }
            await drain(queues, through: client, recorder, positions, timeout: drainTimeout)
            readers.cancelAll()
        }
        for consumer in consumers { await consumer.shutdown() }
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
        _ consumers: [PullConsumer], on queues: [MessageQueue], _ recorder: HistoryRecorder,
        _ positions: ReadPositions, in group: inout ThrowingTaskGroup<Void, any Error>
    ) {
        for (index, consumer) in consumers.enumerated() {
            let reader = ProbeConsumer(index: index, consumer: consumer, recorder: recorder, positions: positions)
            for (place, queue) in queues.enumerated() where place % consumers.count == index {
                group.addTask { await reader.run(queue) }
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

    /// Waits until every queue was read to the end that its broker tells after the last send.
    private func drain(
        _ queues: [MessageQueue], through client: MQConnection, _ recorder: HistoryRecorder,
        _ positions: ReadPositions, timeout: Duration
    ) async {
        let deadline = ContinuousClock.now + timeout
        let asker = PullConsumer(group: "seatrial-probe-drain", client: client)
        for queue in queues {
            recorder.record(.drained(await Self.drainOne(queue, asker, positions, until: deadline)))
        }
        await asker.shutdown()
    }

    private static func drainOne(
        _ queue: MessageQueue, _ asker: PullConsumer, _ positions: ReadPositions,
        until deadline: ContinuousClock.Instant
    ) async -> QueueDrain {
        var lastFailure = "still behind when the drain's time was up"
        var end: Int64?
        repeat {
            do {
                let max = try await asker.maxOffset(of: queue)
                end = max
                if positions[queue] >= max {
                    return QueueDrain(
                        broker: queue.brokerName, queueID: Int(queue.queueID), reachedOffset: positions[queue],
                        maxOffset: max, complete: true, detail: "")
                }
            } catch {
                lastFailure = "\(error)"
            }
            try? await Task.sleep(for: .milliseconds(10))
        } while ContinuousClock.now < deadline && !Task.isCancelled
        var drain = cutShort(queue, positions[queue], lastFailure)
        drain.maxOffset = end ?? -1
        return drain
    }

    /// `maxOffset` -1: the broker never told.
    private static func cutShort(_ queue: MessageQueue, _ reached: Int64, _ why: String) -> QueueDrain {
        QueueDrain(
            broker: queue.brokerName, queueID: Int(queue.queueID), reachedOffset: reached, maxOffset: -1,
            complete: false, detail: why)
    }
}
