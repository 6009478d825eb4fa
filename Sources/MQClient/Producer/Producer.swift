import MQTransport
import MQWire
import NIOCore

/// Sends messages.
///
/// Each call of ``send(_:to:attempts:)`` gives the message one unique id and tries as often as allowed, elsewhere if
/// it may choose. With `attempts: 1` nothing is repeated, so that what was observed is what happened.
public actor Producer {
    /// The group, which brokers know this producer by.
    public nonisolated let group: String
    private nonisolated let client: MQConnection
    private var rotation: QueueRotation
    private var isShutDown = false
    /// `nil` unless slow brokers are avoided.
    private var latency: BrokerLatency?
    private let repeatsWeakSends: Bool
    /// Milliseconds on a clock that only goes on.
    private let now: @Sendable () -> Int64

    /// Limit of a body. Source: RocketMQ's `maxMessageSize`.
    public static let bodyLimitBytes = 4 * 1024 * 1024

    /// A producer of a group.
    ///
    /// - Parameter group: brokers know it by this.
    /// - Parameter client: the way to the cluster.
    /// - Parameter avoidsSlowBrokers: whether brokers that were slow or failed are left alone for a while, as long as
    ///   there are others (RocketMQ's `sendLatencyFaultEnable`).
    /// - Parameter repeatsWeakSends: whether a message that was stored, but not as well as promised, is sent to another
    ///   broker as well, as far as attempts are left (RocketMQ's `retryAnotherBrokerWhenNotStoreOK`). Consumers then get
    ///   it twice.
    public init(
        group: String, client: MQConnection, avoidsSlowBrokers: Bool = false, repeatsWeakSends: Bool = false
    ) {
        self.init(
            group: group, client: client, avoidsSlowBrokers: avoidsSlowBrokers, repeatsWeakSends: repeatsWeakSends,
            now: Self.uptime)
    }

    /// The same with a clock of the caller's.
    init(
        group: String, client: MQConnection, avoidsSlowBrokers: Bool, repeatsWeakSends: Bool,
        now: @escaping @Sendable () -> Int64
    ) {
        latency = avoidsSlowBrokers ? BrokerLatency() : nil
        self.repeatsWeakSends = repeatsWeakSends
        self.now = now
        self.group = group
        self.client = client
        rotation = QueueRotation(start: client.randomStart())
        client.addProducer(group)
    }

    /// The queues that a topic's messages can go to now; for a topic that does not exist yet, those that it would get
    /// by automatic creation.
    public func queues(for topic: String) async throws(MQClientError) -> [MessageQueue] {
        try await client.publishRoute(of: topic).writableQueues
    }

    /// Sends a message and waits for the broker's word.
    ///
    /// - Parameter message: the message.
    /// - Parameter queue: where it shall go; the producer chooses when `nil`.
    /// - Parameter attempts: how often it may be tried in all. After a time-out a further attempt can store it twice.
    /// - Throws: the last attempt's error; ``MQClientError/unknownAfterRetry(last:)`` if an earlier one may have
    ///   stored it. A task that is cancelled hears at once, and ``MQClientError/outcome`` tells what is known then.
    @discardableResult
    public func send(
        _ message: Message, to queue: MessageQueue? = nil, attempts: Int = 3
    ) async throws(MQClientError) -> SendReceipt {
        try await send(try prepare(message), to: queue, attempts: attempts)
    }

    /// Sends a message to the queue that its key leads to: messages with the same key stay in order there, for as long
    /// as the topic's queues are the same.
    ///
    /// An attempt that may have stored it is not repeated elsewhere; by default there is only one.
    @discardableResult
    public func send(
        _ message: Message, orderedBy key: String, attempts: Int = 1
    ) async throws(MQClientError) -> SendReceipt {
        try await send(message, attempts: attempts) { queues in
            queues[abs(Int(JavaStringHash.hash(key))) % queues.count]
        }
    }

    /// Sends a message to the queue that `choose` picks among those that take messages now, of which there is one at
    /// least; RocketMQ's `MessageQueueSelector`.
    ///
    /// - Parameter message: the message.
    /// - Parameter attempts: all of them at the queue that was chosen.
    /// - Parameter choose: gets the queues in their order, and gives one of them, or `nil` to send nothing.
    /// - Throws: as ``send(_:to:attempts:)``; ``MQClientError/noQueue(topic:reason:)`` when there is nothing to choose
    ///   from, or nothing was chosen.
    @discardableResult
    public func send(
        _ message: Message, attempts: Int = 1, choosing choose: @Sendable ([MessageQueue]) -> MessageQueue?
    ) async throws(MQClientError) -> SendReceipt {
        let queues = try await queues(for: message.topic)
        guard !queues.isEmpty else { throw .noQueue(topic: message.topic, reason: "no broker takes writes now") }
        guard let queue = choose(queues) else {
            throw .noQueue(topic: message.topic, reason: "none of \(queues.count) queues was chosen")
        }
        return try await send(message, to: queue, attempts: attempts)
    }

    /// Stores the half message of a transaction, which no consumer sees.
    func sendHalf(
        _ message: Message, to queue: MessageQueue?, attempts: Int
    ) async throws(MQClientError) -> SendReceipt {
        guard !isShutDown else { throw .invalid(reason: "producer \(group) is shut down") }
        return try await send(PreparedSend(message, ids: client.ids, halfOf: group), to: queue, attempts: attempts)
    }

    private func send(
        _ request: PreparedSend, to queue: MessageQueue?, attempts: Int
    ) async throws(MQClientError) -> SendReceipt {
        let answer: Answer = try await answer(request, to: queue, attempts: attempts)
        return SendReceipt(
            status: answer.status, messageID: request.messageIDs[0], offsetMessageID: answer.header.messageID,
            queue: answer.queue, queueOffset: answer.header.queueOffset, brokerAddress: answer.address,
            attempt: answer.attempt)
    }

    /// Sends messages of one topic in one request into one queue, where they lie side by side: all of them or none.
    ///
    /// - Parameter messages: at least one; encoded not more than ``bodyLimitBytes`` in all, and none delayed.
    /// - Parameter queue: where they shall go; the producer chooses when `nil`.
    /// - Parameter attempts: as for ``send(_:to:attempts:)``.
    public func send(
        batch messages: [Message], to queue: MessageQueue? = nil, attempts: Int = 3
    ) async throws(MQClientError) -> BatchReceipt {
        guard !isShutDown else { throw .invalid(reason: "producer \(group) is shut down") }
        let request = try PreparedSend(batch: messages, ids: client.ids)
        let answer = try await answer(request, to: queue, attempts: attempts)
        return BatchReceipt(
            status: answer.status, messageIDs: request.messageIDs,
            offsetMessageIDs: answer.header.messageID.split(separator: ",").map(String.init), queue: answer.queue,
            queueOffset: answer.header.queueOffset, brokerAddress: answer.address, attempt: answer.attempt)
    }

    private struct Answer {
        var status: SendStatus
        var header: SendMessageResponseHeader
        var queue: MessageQueue
        var address: String
        var attempt: Int
    }

    private func answer(
        _ request: PreparedSend, to queue: MessageQueue?, attempts: Int
    ) async throws(MQClientError) -> Answer {
        var mayHaveHappened = false
        var failedBroker: String?
        var weak: Answer?
        var lastError = MQClientError.invalid(reason: "attempts is \(attempts) (expected at least 1)")
        for attempt in 1...max(1, attempts) where attempts >= 1 {
            var chosen: MessageQueue?
            do throws(MQClientError) {
                let (target, address) = try await target(for: request.topic, wish: queue, avoiding: failedBroker)
                // Where it lies already, a second time makes nothing better.
                if let weak, weak.queue.brokerName == target.brokerName { return weak }
                chosen = target
                let answer = try await sendOnce(request, to: target, at: address, attempt: attempt)
                guard answer.status != .ok, repeatsWeakSends, queue == nil else { return answer }
                weak = weak ?? answer
                failedBroker = target.brokerName
            } catch {
                lastError = error
                failedBroker = chosen?.brokerName
                mayHaveHappened = mayHaveHappened || error.outcome == .unknown
                guard error.isWorthRepeating else { break }
                if error.mayBeTheRoute { client.distrustRoute(of: request.topic) }
                guard !Task.isCancelled else { break }
            }
        }
        if let weak { return weak }
        guard mayHaveHappened, lastError.outcome != .unknown else { throw lastError }
        throw .unknownAfterRetry(last: lastError.description)
    }

    /// Sends a message and does not wait for anything but the connection: it may be lost without notice.
    ///
    /// Returns the unique id that the message was given.
    @discardableResult
    public func sendOneWay(
        _ message: Message, to queue: MessageQueue? = nil
    ) async throws(MQClientError) -> String {
        let request = try prepare(message)
        let (target, address) = try await target(for: message.topic, wish: queue, avoiding: nil)
        let command = request.command(for: target, group: group, configuration: client.configuration)
        do throws(TransportError) {
            try await client.transport.notify(client.configuration.encoded(command), to: address)
        } catch {
            throw MQClientError(error, address: address)
        }
        return request.messageIDs[0]
    }

    /// A pipeline for this producer's messages, for senders that do not wait for each answer.
    ///
    /// It chooses queues by itself, and the producer's own settings for retries and slow brokers do not hold for it.
    ///
    /// - Parameter limit: how many messages may be on their way at once.
    public nonisolated func pipeline(limit: Int = 1024) -> SendPipeline {
        SendPipeline(group: group, client: client, limit: limit)
    }

    /// Unregisters the group from the brokers; further sends fail.
    public func shutdown() async {
        guard !isShutDown else { return }
        isShutDown = true
        await client.removeProducer(group)
    }

    @Sendable private static func uptime() -> Int64 { (ContinuousClock.now - started).wholeMilliseconds }
    private static let started = ContinuousClock.now

    private func prepare(_ message: Message) throws(MQClientError) -> PreparedSend {
        guard !isShutDown else { throw .invalid(reason: "producer \(group) is shut down") }
        return try PreparedSend(message, ids: client.ids)
    }

    /// The queue and its master's address; asks for the route anew when the known one has no answer.
    private func target(
        for topic: String, wish: MessageQueue?, avoiding failedBroker: String?
    ) async throws(MQClientError) -> (MessageQueue, String) {
        for isRefreshing in [false, true] {
            let route = try await client.publishRoute(of: topic, isRefreshing: isRefreshing)
            let queue = wish ?? chosen(of: route, avoiding: failedBroker)
            if let queue, let address = route.brokers[queue.brokerName]?.masterAddress { return (queue, address) }
        }
        throw .noQueue(
            topic: topic,
            reason: wish.map { "broker \($0.brokerName) has no master now" } ?? "no broker takes writes now")
    }

    private func chosen(of route: TopicRoute, avoiding failedBroker: String?) -> MessageQueue? {
        let queues = route.writableQueues
        return rotation.next(of: latency?.choice(of: queues, now: now()) ?? queues, avoiding: failedBroker)
    }

    private func sendOnce(
        _ request: PreparedSend, to queue: MessageQueue, at address: String, attempt: Int
    ) async throws(MQClientError) -> Answer {
        let start = now()
        do throws(MQClientError) {
            let answer = try await exchange(request, with: queue, at: address, attempt: attempt)
            latency?.record(queue.brokerName, latency: now() - start, now: now())
            return answer
        } catch {
            // Who did not wait has learnt nothing of the broker.
            if !Task.isCancelled {
                let counted = BrokerLatency.isFailure(error) ? nil : now() - start
                latency?.record(queue.brokerName, latency: counted, now: now())
            }
            throw error
        }
    }

    private func exchange(
        _ request: PreparedSend, with queue: MessageQueue, at address: String, attempt: Int
    ) async throws(MQClientError) -> Answer {
        let command = request.command(for: queue, group: group, configuration: client.configuration)
        let accepted = try AcceptedSend(
            try await client.cancellableCall(command, to: address), queue: queue, address: address)
        return Answer(
            status: accepted.status, header: accepted.header, queue: accepted.queue, address: address, attempt: attempt)
    }
}
