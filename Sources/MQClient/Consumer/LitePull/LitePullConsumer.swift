import Logging
import MQWire

/// What a lite-pull consumer reads, and how.
public struct LitePullConfiguration: Sendable {
    /// The group.
    public var group: String
    /// Where a group begins that has no offset yet.
    public var startsFrom: ConsumeStart
    /// How the members divide the queues of topics that they subscribe to.
    public var strategy: RebalanceStrategy
    /// Messages asked for at once, and given at once at most.
    public var batch: Int
    /// How long a broker may hold a pull.
    public var hold: Duration
    /// How often offsets are committed; `nil` leaves it to ``LitePullConsumer/commit()``.
    public var commitInterval: Duration?
    /// How often the shares are computed, apart from news of the group.
    public var rebalanceInterval: Duration

    /// The defaults, for a group.
    public init(
        group: String, startsFrom: ConsumeStart = .end, strategy: RebalanceStrategy = .average, batch: Int = 32,
        hold: Duration = .seconds(5), commitInterval: Duration? = .seconds(5),
        rebalanceInterval: Duration = .seconds(20)
    ) {
        self.group = group
        self.startsFrom = startsFrom
        self.strategy = strategy
        self.batch = batch
        self.hold = hold
        self.commitInterval = commitInterval
        self.rebalanceInterval = rebalanceInterval
    }
}

/// Gives messages when they are asked for: a reader at the application's pace, with its group's places kept by brokers.
///
/// ```swift
/// let consumer = LitePullConsumer(.init(group: "audit", startsFrom: .beginning), client: client)
/// try await consumer.subscribe(to: "orders")
/// for try await messages in consumer.batches {
///     for message in messages { try await write(message) }
/// }
/// ```
/// Queues are divided with the group's other members (``subscribe(to:tags:)``), or named (``assign(_:)``). One batch of
/// each queue is read ahead and no more, so that a slow application holds little and loses nothing. What a call gave
/// counts as done at the next call; what was not done comes again, to this member or to another.
public actor LitePullConsumer {
    /// The settings.
    public nonisolated let configuration: LitePullConfiguration
    private let client: MQConnection
    private let puller: PullConsumer
    private let logger: Logger
    private var mode = Mode.idle
    private var subscriptions: [String: Subscription] = [:]
    private var queues: [MessageQueue: Reading] = [:]
    /// Batches that were read and not yet given, in the order in which they came.
    private var ready: [(queue: MessageQueue, turn: Int, result: PullResult)] = []
    /// What the last call gave: it is done at the next one.
    private var given: (queue: MessageQueue, next: Int64)?
    private var background: Task<Void, Never>?
    private var lastCommit = ContinuousClock.now
    private var isShutDown = false
    /// Counts beginnings, over all queues: what was read before the last one of its queue is dropped.
    private var lastTurn = 0
    private var isPolling = false
    private var waiter: CheckedContinuation<Void, Never>?

    /// Legal successors: `idle` → `subscribed` | `assigned`; the others stay what they are.
    private enum Mode { case idle, subscribed, assigned }

    /// How far one queue is.
    private struct Reading {
        var subscription: Subscription
        /// The next to read; `nil` until it is known.
        var position: Int64?
        /// The next that is not done; `nil` when nothing was given yet.
        var done: Int64?
        var committed: Int64?
        var isPaused = false
        /// Which beginning this is.
        var turn: Int
        var fetch: Task<Void, Never>?
    }

    /// How long a queue rests after an error.
    private static let pause = Duration.milliseconds(500)

    /// A consumer that reads nothing yet.
    public init(_ configuration: LitePullConfiguration, client: MQConnection) {
        self.configuration = configuration
        self.client = client
        puller = PullConsumer(member: configuration.group, client: client)
        logger = client.logger
    }

    // MARK: What is read

    /// Reads a topic, with the other members of the group.
    ///
    /// - Parameter tags: `*` for all, or tags as `a || b`.
    /// - Throws: ``MQClientError/invalid(reason:)`` after ``assign(_:)``.
    public func subscribe(to topic: String, tags: String = "*") async throws(MQClientError) {
        try await subscribe(Subscription(topic: topic, expression: tags))
    }

    /// Reads those messages of a topic whose properties fulfil a condition, with the other members of the group.
    public func subscribe(to topic: String, where condition: String) async throws(MQClientError) {
        try await subscribe(Subscription(topic: topic, condition: condition))
    }

    private func subscribe(_ subscription: Subscription) async throws(MQClientError) {
        guard mode != .assigned, !isShutDown else {
            throw .invalid(reason: "consumer \(configuration.group) reads queues that were assigned, or is shut down")
        }
        subscriptions[subscription.topic] = subscription
        let isFirst = mode == .idle
        mode = .subscribed
        announce()
        if isFirst { startBackground() }
        await rebalance()
    }

    /// Reads exactly these queues, whatever other members do; instead of those before.
    ///
    /// - Throws: ``MQClientError/invalid(reason:)`` after ``subscribe(to:tags:)``.
    public func assign(_ wanted: [MessageQueue]) async throws(MQClientError) {
        guard mode != .subscribed, !isShutDown else {
            throw .invalid(reason: "consumer \(configuration.group) has subscribed to topics, or is shut down")
        }
        if mode == .idle { client.addConsumer(configuration.group) }
        mode = .assigned
        take(wanted.map { ($0, Subscription(topic: $0.topic, expression: "*")) }, of: nil)
    }

    /// The queues that are read now.
    public var assignment: [MessageQueue] { queues.keys.sorted() }

    /// Stops giving messages of these queues; their places stay.
    public func pause(_ paused: [MessageQueue]) { for queue in paused { queues[queue]?.isPaused = true } }

    /// Goes on with queues that were paused.
    public func resume(_ resumed: [MessageQueue]) {
        for queue in resumed {
            queues[queue]?.isPaused = false
            fetch(queue)
        }
        wake()
    }

    /// Goes on reading a queue at an offset; what was read and not given yet is dropped.
    ///
    /// - Throws: ``MQClientError/invalid(reason:)`` for a queue that is not this member's.
    public func seek(_ queue: MessageQueue, to offset: Int64) throws(MQClientError) {
        guard queues[queue] != nil else {
            throw .invalid(reason: "\(queue) is not read by this member of \(configuration.group)")
        }
        queues[queue]?.position = offset
        queues[queue]?.done = offset
        if given?.queue == queue { given = nil }
        beginAnew(queue)
    }

    /// Drops what was read of a queue and not given, and reads on from its position.
    private func beginAnew(_ queue: MessageQueue) {
        lastTurn += 1
        queues[queue]?.turn = lastTurn
        queues[queue]?.fetch?.cancel()
        queues[queue]?.fetch = nil
        ready.removeAll { $0.queue == queue }
        fetch(queue)
    }

    // MARK: Messages

    /// The next messages of some queue: at least one, or none when time is up or the task is cancelled.
    public func poll(within limit: Duration = .seconds(5)) async throws(MQClientError) -> [ReceivedMessage] {
        guard !isShutDown else { throw .invalid(reason: "consumer \(configuration.group) is shut down") }
        guard mode != .idle else {
            throw .invalid(reason: "consumer \(configuration.group) reads nothing (call subscribe or assign first)")
        }
        guard !isPolling else {
            throw .invalid(reason: "consumer \(configuration.group) is polled already (one task at a time)")
        }
        isPolling = true
        defer { isPolling = false }
        if let given { queues[given.queue]?.done = given.next }
        given = nil
        if let interval = configuration.commitInterval, ContinuousClock.now - lastCommit >= interval {
            await commitDone()
        }
        let deadline = ContinuousClock.now + limit
        while !Task.isCancelled, !isShutDown {
            if let messages = next() { return messages }
            guard ContinuousClock.now < deadline else { return [] }
            await wait(until: deadline)
        }
        return []
    }

    /// Batches without end, each when the one before it is done; ends when its task is cancelled or the consumer is
    /// shut down.
    public nonisolated var batches: Batches { Batches(consumer: self) }

    /// See ``LitePullConsumer/batches``.
    public struct Batches: AsyncSequence, AsyncIteratorProtocol, Sendable {
        let consumer: LitePullConsumer

        /// Itself.
        public func makeAsyncIterator() -> Batches { self }

        /// The next batch; `nil` at the end.
        public mutating func next() async throws -> [ReceivedMessage]? {
            while !Task.isCancelled, await !consumer.isEnded {
                let messages = try await consumer.poll()
                if !messages.isEmpty { return messages }
            }
            return nil
        }
    }

    private var isEnded: Bool { isShutDown }

    /// The first batch that may be given; those of paused queues wait.
    private func next() -> [ReceivedMessage]? {
        while let index = ready.firstIndex(where: { queues[$0.queue]?.isPaused != true }) {
            let (queue, turn, result) = ready.remove(at: index)
            guard let reading = queues[queue], reading.turn == turn else { continue }
            let messages = result.messages.filter { reading.subscription.matches($0) }
            if messages.isEmpty {
                if queues[queue]?.done == reading.position || reading.done == nil {
                    queues[queue]?.done = result.nextOffset
                }
            } else {
                given = (queue, result.nextOffset)
            }
            queues[queue]?.position = result.nextOffset
            fetch(queue)
            if !messages.isEmpty { return messages }
        }
        return nil
    }

    /// Waits for a batch, for the deadline, or for the task's cancellation.
    private func wait(until deadline: ContinuousClock.Instant) async {
        let alarm = Task { [weak self] in
            // Its end, however it comes, wakes who waits.
            try? await Task.sleep(until: deadline)
            await self?.wake()
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                waiter?.resume()
                waiter = continuation
            }
        } onCancel: {
            alarm.cancel()
        }
        alarm.cancel()
    }

    private func wake() {
        waiter?.resume()
        waiter = nil
    }

    // MARK: Reading ahead

    /// Reads one batch of the queue ahead, unless one is there, or on its way.
    private func fetch(_ queue: MessageQueue) {
        guard let reading = queues[queue], reading.fetch == nil, !reading.isPaused, !isShutDown,
            !ready.contains(where: { $0.queue == queue })
        else { return }
        let turn = reading.turn
        queues[queue]?.fetch = Task { [weak self] in
            guard let pulled = await self?.pull(queue, reading) else { return }
            await self?.arrived(pulled, of: queue, turn: turn)
        }
    }

    /// What came, or `nil` after an error and a rest.
    private func pull(_ queue: MessageQueue, _ reading: Reading) async -> (Int64, PullResult?) {
        var start = reading.position
        do throws(MQClientError) {
            if start == nil { start = try await firstOffset(queue) }
            let offset = start ?? 0
            return (
                offset,
                try await puller.pull(
                    queue, from: offset, max: Int32(configuration.batch), hold: configuration.hold,
                    subscription: reading.subscription)
            )
        } catch {
            logger.debug("reading pauses", metadata: ["queue": "\(queue)", "error": "\(error)"])
            try? await Task.sleep(for: Self.pause)
            return (start ?? -1, nil)
        }
    }

    private func firstOffset(_ queue: MessageQueue) async throws(MQClientError) -> Int64 {
        if let committed = try await puller.committedOffset(of: queue) { return committed }
        return switch configuration.startsFrom {
        case .beginning: try await puller.minOffset(of: queue)
        case .end: try await puller.maxOffset(of: queue)
        case .time(let milliseconds): try await puller.offset(of: queue, atTime: milliseconds)
        }
    }

    private func arrived(_ pulled: (start: Int64, result: PullResult?), of queue: MessageQueue, turn: Int) {
        guard queues[queue]?.turn == turn else { return }
        queues[queue]?.fetch = nil
        if queues[queue]?.position == nil, pulled.start >= 0 { queues[queue]?.position = pulled.start }
        guard let result = pulled.result else { return fetch(queue) }
        guard result.messages.isEmpty else {
            ready.append((queue, turn, result))
            return wake()
        }
        // Nothing here, or nothing that is wanted: on from there.
        if queues[queue]?.done == queues[queue]?.position { queues[queue]?.done = result.nextOffset }
        queues[queue]?.position = result.nextOffset
        fetch(queue)
    }

    // MARK: Shares

    private func announce() {
        let version = MQConnection.nowMilliseconds()
        client.setConsumer(
            ConsumerData(
                groupName: configuration.group, consumeType: .actively, messageModel: .clustering,
                consumeFromWhere: configuration.startsFrom.wireValue,
                subscriptions: subscriptions.values.map { $0.data(version: version) }.sorted { $0.topic < $1.topic }))
    }

    private func startBackground() {
        let events = client.membership.follow(configuration.group)
        background = Task { [weak self, client, configuration] in
            await withDiscardingTaskGroup { group in
                group.addTask {
                    while !Task.isCancelled {
                        // Cancellation ends the sleep with an error, and with it the loop.
                        do { try await Task.sleep(for: configuration.rebalanceInterval) } catch { return }
                        client.membership.changed(configuration.group)
                    }
                }
                for await _ in events { await self?.rebalance() }
                group.cancelAll()
            }
        }
    }

    private func rebalance() async {
        for subscription in subscriptions.values.sorted(by: { $0.topic < $1.topic }) {
            do throws(MQClientError) {
                let all = try await client.subscribeRoute(of: subscription.topic).readableQueues
                let members = try await client.members(of: configuration.group, readers: subscription.topic)
                let share = configuration.strategy.share(of: all, among: members, for: client.clientID)
                guard !isShutDown, subscriptions[subscription.topic] == subscription else { continue }
                let lost = Set(queues.keys.filter { $0.topic == subscription.topic }).subtracting(share)
                await commit(Array(lost))
                take(share.map { ($0, subscription) }, of: subscription.topic)
            } catch {
                // The share stays as it is until somebody can be asked again.
                logger.debug("no rebalance", metadata: ["topic": "\(subscription.topic)", "error": "\(error)"])
            }
        }
    }

    /// Reads these queues, and of the topic (of all, if `nil`) no others.
    private func take(_ wanted: [(queue: MessageQueue, subscription: Subscription)], of topic: String?) {
        let kept = Set(wanted.map(\.queue))
        for queue in queues.keys where (topic == nil || queue.topic == topic) && !kept.contains(queue) {
            queues[queue]?.fetch?.cancel()
            queues[queue] = nil
            ready.removeAll { $0.queue == queue }
            if given?.queue == queue { given = nil }
        }
        for (queue, subscription) in wanted {
            guard let known = queues[queue] else {
                lastTurn += 1
                queues[queue] = Reading(subscription: subscription, turn: lastTurn)
                fetch(queue)
                continue
            }
            guard known.subscription != subscription else { continue }
            // Another filter, the same place.
            queues[queue]?.subscription = subscription
            beginAnew(queue)
        }
    }

    // MARK: Places

    /// Commits what is done: everything that was given before the last call of ``poll(within:)``.
    public func commit() async { await commitDone() }

    /// The group's committed place in a queue: the next one to consume; `nil` when there is none.
    public func committedOffset(of queue: MessageQueue) async throws(MQClientError) -> Int64? {
        try await puller.committedOffset(of: queue)
    }

    private func commitDone() async {
        lastCommit = .now
        await commit(Array(queues.keys))
    }

    private func commit(_ some: [MessageQueue]) async {
        for queue in some {
            guard let done = queues[queue]?.done, queues[queue]?.committed != done else { continue }
            do throws(MQClientError) {
                try await puller.commit(done, for: queue)
                queues[queue]?.committed = done
            } catch {
                logger.warning("offset not committed", metadata: ["queue": "\(queue)", "error": "\(error)"])
            }
        }
    }

    /// Stops reading, commits what is done, and leaves the group.
    ///
    /// - Parameter finishing: whether what the last call gave is done, too. If not, it comes again: who leaves because a
    ///   message could not be handled must not lose it.
    public func shutdown(finishing: Bool = false) async {
        guard !isShutDown else { return }
        isShutDown = true
        if finishing, let given { queues[given.queue]?.done = given.next }
        given = nil
        background?.cancel()
        client.membership.unfollow(configuration.group)
        for reading in queues.values { reading.fetch?.cancel() }
        wake()
        await commitDone()
        await client.removeConsumer(configuration.group)
    }
}
