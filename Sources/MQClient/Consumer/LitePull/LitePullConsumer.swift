import Logging
import MQWire

/// Gives messages when they are asked for: a reader at the application's pace, with its group's places kept by brokers.
///
/// Queues are divided with the group's other members (``subscribe(to:tags:)``), or named (``assign(_:tags:)``). One batch
/// of each queue is read ahead and no more, so that a slow application holds little and loses nothing. What a call gave
/// counts as done at the next call; what was not done comes again, to this member or to another. <doc:Consuming> shows
/// it at work.
public actor LitePullConsumer {
    /// The settings.
    public nonisolated let configuration: LitePullConfiguration
    let client: MQConnection
    private let puller: PullConsumer
    private let logger: Logger
    private let bell = Bell()
    private var mode = Mode.idle
    private var subscriptions: [String: Subscription] = [:]
    private var queues: [MessageQueue: Reading] = [:]
    /// Batches that were read and not yet given, in the order in which they came: one of a queue at most.
    private var ready: [(queue: MessageQueue, result: PullResult)] = []
    /// Counts all turns of all queues, so that no two are alike.
    private var turns = 0
    private var background: Task<Void, Never>?
    private var isPolling = false
    private var isRebalancing = false
    private var isRebalanceDue = false
    private var isShutDown = false
    /// What answers brokers' questions, while it reads.
    private var served: [PushedWork.Token] = []
    /// When it began to read, milliseconds since 1970.
    private(set) var startedAt: Int64 = 0

    /// Legal successors: `idle` → `subscribed` | `assigned`; the others stay what they are.
    private enum Mode { case idle, subscribed, assigned }

    /// One queue of this member.
    private struct Reading {
        var subscription: Subscription
        var place = LitePullPlace()
        var isPaused = false
        /// A new one with each seek and each change: what was asked for in an earlier one is dropped.
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

    /// Reads a topic, with the other members of the group; or changes what is wanted of it.
    ///
    /// - Parameter topic: the topic.
    /// - Parameter tags: `*` for all, or tags as `a || b`.
    /// - Throws: ``MQClientError/invalid(reason:)`` after ``assign(_:tags:)``, for settings that make no sense, and when
    ///   another consumer on the same connection has subscribed for the group.
    public func subscribe(to topic: String, tags: String = "*") async throws(MQClientError) {
        try await subscribe(Subscription(topic: topic, expression: tags))
    }

    /// Reads those messages of a topic whose properties fulfil a condition, with the other members of the group.
    public func subscribe(to topic: String, where condition: String) async throws(MQClientError) {
        try await subscribe(Subscription(topic: topic, condition: condition))
    }

    private func subscribe(_ subscription: Subscription) async throws(MQClientError) {
        try begin(.subscribed, instead: .assigned, "reads queues that were assigned")
        subscriptions[subscription.topic] = subscription
        // What is read already is read anew at once, and from the next word on only what is wanted now is given.
        for queue in queues.keys where queue.topic == subscription.topic { take(queue, subscription) }
        announce()
        await rebalance()
    }

    /// Reads a topic no more. What is done there is committed, unless that is left to the application.
    public func unsubscribe(from topic: String) async {
        guard subscriptions.removeValue(forKey: topic) != nil, !isShutDown else { return }
        announce()
        await release(queues.keys.filter { $0.topic == topic })
    }

    /// Reads exactly these queues, whatever other members do; instead of those before, of which what is done is
    /// committed, unless that is left to the application.
    ///
    /// - Parameter wanted: the queues; none, to read nothing.
    /// - Parameter tags: `*` for all, or tags as `a || b`.
    /// - Throws: ``MQClientError/invalid(reason:)`` after ``subscribe(to:tags:)``, and for settings that make no sense.
    public func assign(_ wanted: [MessageQueue], tags: String = "*") async throws(MQClientError) {
        let isFirst = mode == .idle
        try begin(.assigned, instead: .subscribed, "has subscribed to topics")
        if isFirst { client.addConsumer(configuration.group) }
        await release(queues.keys.filter { !wanted.contains($0) })
        guard !isShutDown else { return }
        for queue in wanted { take(queue, Subscription(topic: queue.topic, expression: tags)) }
    }

    private func begin(_ new: Mode, instead other: Mode, _ why: String) throws(MQClientError) {
        try configuration.validate()
        guard !isShutDown else { throw .invalid(reason: "consumer \(configuration.group) is shut down") }
        guard mode != other else { throw .invalid(reason: "consumer \(configuration.group) \(why)") }
        guard mode == .idle else { return }
        let news = new == .subscribed ? try client.membership.follow(configuration.group) : nil
        mode = new
        startedAt = MQConnection.nowMilliseconds()
        served = client.pushed.serve(self)
        startBackground(news)
    }

    /// The queues that are read now.
    public var assignment: [MessageQueue] { queues.keys.sorted() }

    /// Stops giving messages of these queues; their places stay, and what was read of them already.
    public func pause(_ paused: [MessageQueue]) { for queue in paused { queues[queue]?.isPaused = true } }

    /// Goes on with queues that were paused.
    public func resume(_ resumed: [MessageQueue]) {
        for queue in resumed {
            queues[queue]?.isPaused = false
            fetch(queue)
        }
        bell.ring()
    }

    /// Goes on reading a queue at an offset; what was read and not given yet is dropped, and what was given last is not
    /// counted as done.
    ///
    /// An offset outside of the queue leads to where the broker says: to its beginning, or to its end.
    ///
    /// - Throws: ``MQClientError/invalid(reason:)`` for a queue that is not this member's.
    public func seek(_ queue: MessageQueue, to offset: Int64) throws(MQClientError) {
        try requireMine(queue)
        queues[queue]?.place.seek(to: offset)
        restart(queue)
    }

    /// What is wanted, by topic: of topics that are subscribed to, and of queues that were assigned.
    var wanted: [Subscription] {
        let all = subscriptions.merging(queues.map { ($0.key.topic, $0.value.subscription) }, uniquingKeysWith: { $1 })
        return all.values.sorted { $0.topic < $1.topic }
    }

    var positions: [MessageQueue: Int64] { queues.compactMapValues { $0.place.done } }

    /// Goes on at this place, and tells the broker, whose operator wants to see the group there.
    func reset(_ queue: MessageQueue, to offset: Int64) async {
        guard queues[queue] != nil, !isShutDown else { return }
        queues[queue]?.place.seek(to: offset)
        restart(queue)
        await tryCommit(offset, of: queue)
    }

    private func requireMine(_ queue: MessageQueue) throws(MQClientError) {
        guard queues[queue] != nil else {
            throw .invalid(reason: "\(queue) is not read by this member of \(configuration.group)")
        }
    }

    // MARK: Messages

    /// The next messages of some queue: at least one, or none when time is up, the task is cancelled or the consumer is
    /// shut down meanwhile.
    ///
    /// - Throws: ``MQClientError/invalid(reason:)`` before there is anything to read, after ``shutdown(isLastDone:)``, and
    ///   while another task waits here. Failures of brokers are waited out.
    public func poll(within limit: Duration = .seconds(5)) async throws(MQClientError) -> [ReceivedMessage] {
        guard !isShutDown else { throw .invalid(reason: "consumer \(configuration.group) is shut down") }
        return try await messages(until: .now + limit)
    }

    /// Batches without end, each when the one before it is done; ends when its task is cancelled or the consumer is
    /// shut down.
    public nonisolated var batches: Batches { Batches(consumer: self) }

    /// See ``LitePullConsumer/batches``.
    public struct Batches: AsyncSequence, AsyncIteratorProtocol, Sendable {
        /// Messages of one queue, in its order.
        public typealias Element = [ReceivedMessage]
        /// What ``LitePullConsumer/poll(within:)`` throws.
        public typealias Failure = MQClientError

        let consumer: LitePullConsumer

        /// Itself.
        public func makeAsyncIterator() -> Batches { self }

        /// The next batch; `nil` at the end.
        public mutating func next() async throws(MQClientError) -> [ReceivedMessage]? {
            let messages = try await consumer.messages(until: nil)
            return messages.isEmpty ? nil : messages
        }

        /// The same.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(MQClientError) -> [ReceivedMessage]? { try await next() }
    }

    /// The next messages; none at the deadline, and at the end.
    private func messages(until deadline: ContinuousClock.Instant?) async throws(MQClientError) -> [ReceivedMessage] {
        guard mode != .idle else {
            throw .invalid(reason: "consumer \(configuration.group) reads nothing (call subscribe or assign first)")
        }
        guard !isPolling else {
            throw .invalid(reason: "consumer \(configuration.group) is polled already (by one task at a time)")
        }
        isPolling = true
        defer { isPolling = false }
        for queue in queues.keys { queues[queue]?.place.finish() }
        while !Task.isCancelled, !isShutDown {
            if let messages = nextMessages() { return messages }
            if let deadline, deadline <= .now { return [] }
            await bell.wait(until: deadline)
        }
        return []
    }

    /// The first batch that may be given; those of paused queues wait.
    private func nextMessages() -> [ReceivedMessage]? {
        while let index = ready.firstIndex(where: { queues[$0.queue]?.isPaused != true }) {
            let (queue, result) = ready.remove(at: index)
            guard let subscription = queues[queue]?.subscription else { continue }
            let messages = result.messages.filter { subscription.matches($0) }
            if messages.isEmpty {
                queues[queue]?.place.pass(to: result.nextOffset)
            } else {
                queues[queue]?.place.give(upTo: result.nextOffset)
            }
            fetch(queue)
            if !messages.isEmpty { return messages }
        }
        return nil
    }

    // MARK: Reading ahead

    /// Reads a queue anew from its place on.
    private func restart(_ queue: MessageQueue) {
        queues[queue]?.fetch?.cancel()
        queues[queue]?.fetch = nil
        turns += 1
        queues[queue]?.turn = turns
        ready.removeAll { $0.queue == queue }
        fetch(queue)
    }

    /// Reads one batch of the queue ahead, unless one is there, or on its way.
    private func fetch(_ queue: MessageQueue) {
        guard let reading = queues[queue], reading.fetch == nil, !reading.isPaused, !isShutDown,
            !ready.contains(where: { $0.queue == queue })
        else { return }
        queues[queue]?.fetch = Task { [weak self] in
            let result = await self?.pull(queue, reading)
            await self?.arrived(result, of: queue, turn: reading.turn)
        }
    }

    /// What came, or `nil` after an error and a rest.
    private func pull(_ queue: MessageQueue, _ reading: Reading) async -> PullResult? {
        do throws(MQClientError) {
            var start = reading.place.position
            if start == nil { start = try await firstOffset(of: queue, turn: reading.turn) }
            guard let start else { return nil }
            return try await puller.pull(
                queue, from: start, max: Int32(configuration.batch), hold: configuration.hold,
                subscription: reading.subscription)
        } catch {
            guard !Task.isCancelled else { return nil }
            logger.debug("reading pauses", metadata: ["queue": "\(queue)", "error": "\(error)"])
            try? await Task.sleep(for: Self.pause)
            return nil
        }
    }

    /// Where the queue begins for this group; `nil` when it is read otherwise by now.
    private func firstOffset(of queue: MessageQueue, turn: Int) async throws(MQClientError) -> Int64? {
        let committed = try await puller.committedOffset(of: queue)
        let start =
            if let committed { committed } else {
                try await puller.offset(of: queue, at: configuration.startsFrom)
            }
        guard queues[queue]?.turn == turn else { return nil }
        queues[queue]?.place.begin(at: start, isCommitted: committed != nil)
        return start
    }

    private func arrived(_ result: PullResult?, of queue: MessageQueue, turn: Int) {
        guard queues[queue]?.turn == turn else { return }
        queues[queue]?.fetch = nil
        guard let result else { return fetch(queue) }
        guard result.messages.isEmpty else {
            ready.append((queue, result))
            return bell.ring()
        }
        // Nothing here, or nothing that is wanted: on from there.
        queues[queue]?.place.pass(to: result.nextOffset)
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

    private func startBackground(_ news: AsyncStream<Void>?) {
        background = Task { [weak self, client, configuration] in
            await withDiscardingTaskGroup { group in
                if let interval = configuration.commitInterval {
                    group.addTask { [weak self] in
                        await MQConnection.every(interval) { [weak self] in await self?.commitOnItsOwn() }
                    }
                }
                guard let news else { return }
                group.addTask {
                    await MQConnection.every(configuration.rebalanceInterval) {
                        client.membership.changed(configuration.group)
                    }
                }
                for await _ in news { await self?.rebalance() }
                group.cancelAll()
            }
        }
    }

    /// Computes the shares; one at a time, and once more if somebody asked meanwhile.
    private func rebalance() async {
        guard !isRebalancing else {
            isRebalanceDue = true
            return
        }
        isRebalancing = true
        repeat {
            isRebalanceDue = false
            for subscription in subscriptions.values.sorted(by: { $0.topic < $1.topic }) {
                do throws(MQClientError) {
                    try await rebalance(subscription)
                } catch {
                    // The share stays as it is until somebody can be asked again.
                    logger.debug("no rebalance", metadata: ["topic": "\(subscription.topic)", "error": "\(error)"])
                }
            }
        } while isRebalanceDue && !isShutDown
        isRebalancing = false
    }

    private func rebalance(_ subscription: Subscription) async throws(MQClientError) {
        let topic = subscription.topic
        let all = try await client.subscribeRoute(of: topic).readableQueues
        let members = try await client.members(of: configuration.group, readers: topic)
        let share = configuration.strategy.share(of: all, among: members, for: client.clientID)
        guard !isShutDown, subscriptions[topic] == subscription else { return }
        await release(queues.keys.filter { $0.topic == topic && !share.contains($0) })
        guard !isShutDown, subscriptions[topic] == subscription else { return }
        for queue in share { take(queue, subscription) }
    }

    /// Reads a queue; or goes on where it is, if it is read already.
    private func take(_ queue: MessageQueue, _ subscription: Subscription) {
        guard let reading = queues[queue] else {
            turns += 1
            queues[queue] = Reading(subscription: subscription, turn: turns)
            return fetch(queue)
        }
        guard reading.subscription != subscription else { return fetch(queue) }
        queues[queue]?.subscription = subscription
        restart(queue)
    }

    /// Reads these queues no more. What is done there is told to the broker, so that the next reader begins behind it.
    private func release(_ released: [MessageQueue]) async {
        for queue in released { queues[queue]?.fetch?.cancel() }
        let places = released.compactMap { queue in queues[queue].map { (queue, $0.place) } }
        for queue in released { queues[queue] = nil }
        ready.removeAll { queues[$0.queue] == nil }
        guard configuration.commitInterval != nil else { return }
        for (queue, place) in places {
            guard let offset = place.toCommit else { continue }
            await tryCommit(offset, of: queue)
        }
    }

    // MARK: Places

    /// The queues of a topic that can be read now, to be assigned.
    public func queues(for topic: String) async throws(MQClientError) -> [MessageQueue] {
        try await puller.queues(for: topic)
    }

    /// The offset of the first message that the broker still has.
    public func minOffset(of queue: MessageQueue) async throws(MQClientError) -> Int64 {
        try await puller.minOffset(of: queue)
    }

    /// The offset of the next message to come.
    public func maxOffset(of queue: MessageQueue) async throws(MQClientError) -> Int64 {
        try await puller.maxOffset(of: queue)
    }

    /// The offset of the first message that was stored at a time, in milliseconds since 1970, or later.
    public func offset(of queue: MessageQueue, atTime milliseconds: Int64) async throws(MQClientError) -> Int64 {
        try await puller.offset(of: queue, atTime: milliseconds)
    }

    /// The group's committed place in a queue: the next one to consume; `nil` when there is none.
    public func committedOffset(of queue: MessageQueue) async throws(MQClientError) -> Int64? {
        try await puller.committedOffset(of: queue)
    }

    /// Commits what is done: everything that was given before the last call of ``poll(within:)``.
    ///
    /// - Throws: the first failure, once all queues were tried; what was not committed is tried again with the next call.
    public func commit() async throws(MQClientError) {
        var failure: MQClientError?
        for queue in queues.keys.sorted() {
            guard let offset = queues[queue]?.place.toCommit else { continue }
            do throws(MQClientError) {
                try await commit(offset, of: queue)
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    /// Commits that a message and all before it in its queue are done.
    ///
    /// - Throws: ``MQClientError/invalid(reason:)`` for a queue that is not this member's any more, or was set to a place
    ///   before the message: it comes again, to this member or to another. Else what the broker's answer means.
    public func commit(through message: ReceivedMessage) async throws(MQClientError) {
        try requireMine(message.queue)
        guard queues[message.queue]?.place.finish(through: message.queueOffset) == true else {
            throw .invalid(reason: "\(message.queue) was set to a place before \(message.queueOffset)")
        }
        try await commit(message.queueOffset + 1, of: message.queue)
    }

    private func commit(_ offset: Int64, of queue: MessageQueue) async throws(MQClientError) {
        let turn = queues[queue]?.turn
        try await puller.commit(offset, for: queue)
        // Re-checked: the queue may have been elsewhere meanwhile.
        if queues[queue]?.turn == turn { queues[queue]?.place.didCommit(offset) }
    }

    private func tryCommit(_ offset: Int64, of queue: MessageQueue) async {
        do throws(MQClientError) {
            try await commit(offset, of: queue)
        } catch {
            logger.warning("offset not committed", metadata: ["queue": "\(queue)", "error": "\(error)"])
        }
    }

    private func commitOnItsOwn() async {
        for queue in queues.keys.sorted() {
            if let offset = queues[queue]?.place.toCommit { await tryCommit(offset, of: queue) }
        }
    }

    /// Stops reading, commits what is done unless that is left to the application, and leaves the group.
    ///
    /// - Parameter isLastDone: whether what the last call gave counts as done, too. If not, it comes again: who leaves
    ///   because a message could not be handled must not lose it.
    public func shutdown(isLastDone: Bool = false) async {
        guard !isShutDown else { return }
        isShutDown = true
        if isLastDone { for queue in queues.keys { queues[queue]?.place.finish() } }
        background?.cancel()
        client.pushed.stop(served)
        for reading in queues.values { reading.fetch?.cancel() }
        bell.ring()
        // A task of its own: the caller's may be cancelled, and the places must be told all the same.
        await Task {
            if configuration.commitInterval != nil { await commitOnItsOwn() }
            switch mode {
            case .idle: break
            case .assigned: await client.removeConsumer(configuration.group)
            case .subscribed:
                await client.withdrawConsumer(configuration.group)
                client.membership.unfollow(configuration.group)
            }
        }.value
    }
}
