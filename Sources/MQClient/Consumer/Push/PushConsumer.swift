import Logging
import MQWire

/// Brings messages to a handler: divides the queues with the other members of its group, reads its own, gives back
/// what failed, and commits what is done.
///
/// ``run(_:)`` goes on until its task is cancelled. It then stops reading, lets the handlers finish, commits the offsets
/// and says goodbye to the brokers. A message is delivered at least once: what is not committed comes again.
/// <doc:Consuming> shows it at work.
public actor PushConsumer {
    /// The settings.
    public nonisolated let configuration: PushConsumerConfiguration
    let client: MQConnection
    private let puller: PullConsumer
    private let logger: Logger
    private let gate: Gate
    private let store: OffsetStore?
    private var subscriptions: [String: Subscription] = [:]
    private var readers: [MessageQueue: (reader: QueueReader, task: Task<Void, Never>)] = [:]
    /// Broadcasting only: what was read from the file, and what is going there.
    private var localOffsets: [MessageQueue: Int64] = [:]
    private var committed: [MessageQueue: Int64] = [:]
    /// Queues that are being set elsewhere: a rebalance must not begin them where they were.
    private var restarting: Set<MessageQueue> = []
    private var isRunning = false
    /// What is called with messages, while it runs.
    private var handler: QueueReader.Handler?
    /// When it began to run, milliseconds since 1970.
    private(set) var startedAt: Int64 = 0

    /// A consumer that reads nothing yet.
    public init(_ configuration: PushConsumerConfiguration, client: MQConnection) {
        self.configuration = configuration
        self.client = client
        puller = PullConsumer(member: configuration.group, client: client)
        logger = client.logger
        gate = Gate(places: configuration.concurrency)
        store =
            configuration.messageModel == .broadcasting
            ? configuration.offsetFolder.map { OffsetStore(folder: $0, group: configuration.group) } : nil
    }

    /// Adds a topic, or changes what is wanted of it; all members of a group must want the same.
    ///
    /// - Parameter topic: the topic.
    /// - Parameter tags: `*` for all, or tags as `a || b`.
    public func subscribe(to topic: String, tags: String = "*") {
        subscriptions[topic] = Subscription(topic: topic, expression: tags)
        subscriptionsDidChange()
    }

    /// The same, for messages whose properties fulfil a condition in RocketMQ's part of SQL92.
    public func subscribe(to topic: String, where condition: String) {
        subscriptions[topic] = Subscription(topic: topic, condition: condition)
        subscriptionsDidChange()
    }

    /// Takes a topic away. What handlers have of it they finish; what is done is committed.
    public func unsubscribe(from topic: String) {
        subscriptions[topic] = nil
        subscriptionsDidChange()
    }

    private func subscriptionsDidChange() {
        guard isRunning else { return }
        announce()
        client.membership.changed(configuration.group)
    }

    /// What is wanted.
    var wantedTopics: [Subscription] { Array(subscriptions.values) }

    /// Where each queue would go on without this member.
    var positions: [MessageQueue: Int64] { readers.compactMapValues { $0.reader.commitOffset } }

    /// The queues that are read now, for insight.
    public var assignment: [MessageQueue] { readers.keys.sorted() }

    /// Reads and calls `handler` until the task is cancelled.
    ///
    /// - Parameter handler: gets one message, or up to `handlerBatch` of one queue; an error counts as
    ///   ``ConsumeOutcome/later(delayLevel:)``.
    /// - Throws: ``MQClientError/invalid(reason:)`` for settings that make no sense, or when it runs already, or another
    ///   consumer of the group on the same connection. Failures of brokers and nameservers are waited out.
    public func run(
        _ handler: @escaping @Sendable ([ReceivedMessage]) async throws -> ConsumeOutcome
    ) async throws(MQClientError) {
        try configuration.validate()
        guard !isRunning else { throw .invalid(reason: "consumer \(configuration.group) runs already") }
        guard !subscriptions.isEmpty else {
            throw .invalid(reason: "consumer \(configuration.group) has no topic (call subscribe first)")
        }
        localOffsets = try store?.load() ?? [:]
        let events = try client.membership.follow(configuration.group)
        isRunning = true
        self.handler = handler
        startedAt = MQConnection.nowMilliseconds()
        let served = serveRequests(handler)
        if configuration.messageModel == .clustering {
            let retry = Subscription.retryPrefix + configuration.group
            subscriptions[retry] = Subscription(topic: retry, expression: "*")
        }
        announce()
        let (interval, commits) = (configuration.rebalanceInterval, configuration.commitInterval)
        let isOrderly = configuration.order == .orderly && configuration.messageModel == .clustering
        await withDiscardingTaskGroup { group in
            group.addTask { [client, configuration] in
                await MQConnection.every(interval) { client.membership.changed(configuration.group) }
            }
            group.addTask { await MQConnection.every(commits) { await self.commit() } }
            if isOrderly {
                group.addTask { await MQConnection.every(QueueLocks.renewalInterval) { await self.lock() } }
            }
            await rebalance(handler)
            // Ends when the task is cancelled.
            for await _ in events { await rebalance(handler) }
        }
        client.pushed.stop(served)
        self.handler = nil
        // A task of its own: this one may be cancelled, and its goodbyes must be said all the same.
        await Task { await leave() }.value
        client.membership.unfollow(configuration.group)
        isRunning = false
    }

    private func leave() async {
        await drop(Array(readers.keys))
        await client.withdrawConsumer(configuration.group)
    }

    private func announce() {
        let version = MQConnection.nowMilliseconds()
        client.setConsumer(
            ConsumerData(
                groupName: configuration.group, consumeType: .passively,
                messageModel: configuration.messageModel.wireValue,
                consumeFromWhere: configuration.startsFrom.wireValue,
                subscriptions: subscriptions.values.map { $0.data(version: version) }.sorted { $0.topic < $1.topic }))
    }

    // MARK: Shares

    private func rebalance(_ handler: @escaping QueueReader.Handler) async {
        await drop(readers.keys.filter { subscriptions[$0.topic] == nil })
        for subscription in subscriptions.values {
            guard !Task.isCancelled else { return }
            do throws(MQClientError) {
                try await rebalance(subscription, handler)
            } catch .topicNotFound where subscription.topic.hasPrefix(Subscription.retryPrefix) {
                // Made by the first message that failed.
            } catch {
                // The share stays as it is until somebody can be asked again.
                logger.debug("no rebalance", metadata: ["topic": "\(subscription.topic)", "error": "\(error)"])
            }
        }
    }

    private func rebalance(
        _ subscription: Subscription, _ handler: @escaping QueueReader.Handler
    ) async throws(MQClientError) {
        let queues = try await client.subscribeRoute(of: subscription.topic).readableQueues
        var share = queues
        if configuration.messageModel == .clustering {
            let members = try await client.members(of: configuration.group, readers: subscription.topic)
            share = configuration.strategy.share(of: queues, among: members, for: client.clientID)
        }
        let wanted = Set(share)
        let dropped = readers.filter { queue, entry in
            queue.topic == subscription.topic
                && (!wanted.contains(queue) || entry.reader.subscription != subscription)
        }
        await drop(Array(dropped.keys))
        // Re-checked: it may be wanted otherwise by now, and then the next round, which is due, begins the queues.
        guard subscriptions[subscription.topic] == subscription else { return }
        let new = share.filter { readers[$0] == nil && !restarting.contains($0) }
        if !new.isEmpty, configuration.order == .orderly { await lock(new) }
        for queue in new where readers[queue] == nil { start(queue, subscription, handler) }
    }

    /// Reads a queue of this member from another place on.
    func restart(_ queue: MessageQueue, from offset: Int64) async {
        guard readers[queue] != nil, restarting.insert(queue).inserted else { return }
        defer { restarting.remove(queue) }
        await drop(queue)
        do throws(MQClientError) {
            if configuration.messageModel == .clustering {
                try await puller.commit(offset, for: queue)
            } else {
                localOffsets[queue] = offset
            }
        } catch {
            logger.warning("a reset was not committed", metadata: ["queue": "\(queue)", "error": "\(error)"])
        }
        if configuration.order == .orderly { await lock([queue]) }
        // Re-checked: it may not run any more, or not want the topic. Whose queue it is the next rebalance says.
        guard let handler, let subscription = subscriptions[queue.topic] else { return }
        start(queue, subscription, handler)
    }

    private func start(_ queue: MessageQueue, _ subscription: Subscription, _ handler: @escaping QueueReader.Handler) {
        let reader = QueueReader(
            queue: queue, subscription: subscription, settings: configuration, client: client, puller: puller,
            gate: gate, logger: logger, handler: handler)
        let known = localOffsets[queue]
        // Not a child: a queue is dropped alone, when another member takes it, and awaited then.
        readers[queue] = (reader, Task { await reader.run(from: known) })
        logger.info("reading begins", metadata: ["group": "\(configuration.group)", "queue": "\(queue)"])
    }

    /// Side by side: neither a slow handler nor a broker that does not answer holds up the other queues' last words.
    private func drop(_ queues: [MessageQueue]) async {
        await withDiscardingTaskGroup { group in
            for queue in queues { group.addTask { await self.drop(queue) } }
        }
    }

    private func drop(_ queue: MessageQueue) async {
        guard let (reader, task) = readers.removeValue(forKey: queue) else { return }
        task.cancel()
        await task.value
        await commit(reader, isDropped: true)
        // Another member may move it before this one gets the queue again.
        committed[queue] = nil
        if configuration.order == .orderly { await unlock(queue) }
        logger.info("reading ends", metadata: ["group": "\(configuration.group)", "queue": "\(queue)"])
    }

    // MARK: Offsets

    /// Broker by broker side by side: one that does not answer holds up no other's offsets.
    private func commit() async {
        await withDiscardingTaskGroup { group in
            for readers in Dictionary(grouping: readers.values.map(\.reader), by: \.queue.brokerName).values {
                group.addTask { for reader in readers { await self.commit(reader) } }
            }
        }
    }

    private func commit(_ reader: QueueReader, isDropped: Bool = false) async {
        // One that was dropped meanwhile has had its last word.
        guard isDropped || readers[reader.queue]?.reader === reader else { return }
        guard let offset = reader.commitOffset, committed[reader.queue] != offset else { return }
        do throws(MQClientError) {
            if configuration.messageModel == .clustering {
                try await puller.commit(offset, for: reader.queue)
            } else {
                localOffsets[reader.queue] = offset
                try store?.save(localOffsets)
            }
            committed[reader.queue] = offset
        } catch {
            logger.warning("offset not committed", metadata: ["queue": "\(reader.queue)", "error": "\(error)"])
        }
    }

    // MARK: Locks

    private func lock() async { await lock(Array(readers.keys)) }

    private func lock(_ queues: [MessageQueue]) async {
        guard configuration.messageModel == .clustering else { return }
        for (_, queues) in Dictionary(grouping: queues, by: \.brokerName) {
            let asked = ContinuousClock.now
            do throws(MQClientError) {
                let locked = try await client.lock(queues, group: configuration.group)
                client.locks.set(locked, of: queues, group: configuration.group, asked: asked)
            } catch {
                // What was locked stays so until its time is up.
                logger.debug("queues not locked", metadata: ["error": "\(error)"])
            }
        }
    }

    private func unlock(_ queue: MessageQueue) async {
        client.locks.drop(queue, group: configuration.group)
        do throws(MQClientError) {
            try await client.unlock([queue], group: configuration.group)
        } catch {
            logger.debug("queue not unlocked; its lock runs out", metadata: ["queue": "\(queue)", "error": "\(error)"])
        }
    }
}
