import MQWire
import NIOCore

/// Reads queues at the caller's pace and at offsets of its choice.
///
/// It reads from the master, or from the slave that the broker's last answer suggested, or from any slave while there
/// is no master. All else goes to the master, whomever it reads from: a slave's offsets are a copy, and what is told to
/// it is overwritten with the next one. Offsets are committed only when ``commit(_:for:)`` says so.
public actor PullConsumer {
    /// The group, under which offsets are kept.
    public nonisolated let group: String
    private let client: MQConnection
    private var suggestedBrokers: [MessageQueue: Int64] = [:]
    private var isShutDown = false

    /// A consumer of a group.
    public init(group: String, client: MQConnection) {
        self.group = group
        self.client = client
        client.addConsumer(group)
    }

    /// The hands of a consumer that has announced itself.
    init(member group: String, client: MQConnection) {
        self.group = group
        self.client = client
    }

    /// The queues of a topic that can be read now.
    public func queues(for topic: String) async throws(MQClientError) -> [MessageQueue] {
        let queues = try await client.subscribeRoute(of: topic, isRefreshing: true).readableQueues
        client.subscribe(group, to: topic)
        return queues
    }

    /// The offset of the first message that the broker still has.
    public func minOffset(of queue: MessageQueue) async throws(MQClientError) -> Int64 {
        try await offset(.request(.getMinOffset, header(queue)), of: queue)
    }

    /// The offset of the next message to come.
    public func maxOffset(of queue: MessageQueue) async throws(MQClientError) -> Int64 {
        try await offset(.request(.getMaxOffset, header(queue)), of: queue)
    }

    /// The offset of the first message that was stored at a time, in milliseconds since 1970, or later.
    public func offset(of queue: MessageQueue, atTime milliseconds: Int64) async throws(MQClientError) -> Int64 {
        let header = SearchOffsetRequestHeader(topic: queue.topic, queueID: queue.queueID, timestamp: milliseconds)
        return try await offset(.request(.searchOffsetByTimestamp, header), of: queue)
    }

    /// Where a group begins that has no offset yet.
    func offset(of queue: MessageQueue, at start: ConsumeStart) async throws(MQClientError) -> Int64 {
        switch start {
        case .beginning: try await minOffset(of: queue)
        case .end: try await maxOffset(of: queue)
        case .time(let milliseconds): try await offset(of: queue, atTime: milliseconds)
        }
    }

    /// Gives a message back to its broker, which brings it to the group again after a delay, or after too many tries
    /// puts it among the dead letters.
    ///
    /// - Parameter message: as it was delivered.
    /// - Parameter delayLevel: 0 for a delay that grows with the tries, negative for the dead letters at once.
    /// - Parameter maxReconsumeTimes: tries after which it is a dead letter.
    public func sendBack(
        _ message: ReceivedMessage, delayLevel: Int32 = 0, maxReconsumeTimes: Int32 = 16
    ) async throws(MQClientError) {
        let header = ConsumerSendMessageBackRequestHeader(
            offset: message.commitLogOffset, group: group, delayLevel: delayLevel, originMessageID: message.messageID,
            originTopic: message.topic, maxReconsumeTimes: maxReconsumeTimes)
        let address = try await authorityAddress(of: message.queue)
        let answer = try await call(.request(.consumerSendMessageBack, header), queue: message.queue, address: address)
        switch answer.responseCode {
        // Stored, if not as well as the broker's mode promises: once more would be twice.
        case .success, .flushDiskTimeout, .flushSlaveTimeout, .slaveNotAvailable: return
        default: throw MQClientError(refusal: answer, by: address)
        }
    }

    /// Reads up to `max` messages from an offset on.
    ///
    /// - Parameter queue: the queue.
    /// - Parameter offset: the first that is wanted.
    /// - Parameter max: the most; a broker may give fewer.
    /// - Parameter hold: how long the broker may wait for a message to come before it answers with none; `.zero` asks
    ///   for an answer at once.
    /// - Parameter tags: which tags, as `a || b`; `*` for all.
    /// - Throws: at once when the task is cancelled, also while the broker holds the pull.
    public func pull(
        _ queue: MessageQueue, from offset: Int64, max: Int32 = 32, hold: Duration = .zero, tags: String = "*"
    ) async throws(MQClientError) -> PullResult {
        try await pull(
            queue, from: offset, max: max, hold: hold,
            subscription: Subscription(topic: queue.topic, expression: tags))
    }

    /// The same for messages whose properties fulfil a condition in RocketMQ's part of SQL92.
    public func pull(
        _ queue: MessageQueue, from offset: Int64, max: Int32 = 32, hold: Duration = .zero, where condition: String
    ) async throws(MQClientError) -> PullResult {
        try await pull(
            queue, from: offset, max: max, hold: hold,
            subscription: Subscription(topic: queue.topic, condition: condition))
    }

    func pull(
        _ queue: MessageQueue, from offset: Int64, max: Int32, hold: Duration, subscription: Subscription
    ) async throws(MQClientError) -> PullResult {
        let address = try await readAddress(of: queue)
        let mayHold = hold > .zero
        let request = PullMessageRequestHeader(
            consumerGroup: group, topic: queue.topic, queueID: queue.queueID, queueOffset: offset, maxMessages: max,
            sysFlag: PullMessageRequestHeader.subscriptionFlag | (mayHold ? PullMessageRequestHeader.suspendFlag : 0),
            suspendTimeoutMilliseconds: mayHold ? hold.wholeMilliseconds : 0, subscription: subscription.expression,
            expressionType: subscription.type)
        let answer = try await ask(.request(.pullMessage, request), of: queue, at: address, hold: hold)
        let status: PullStatus
        switch answer.responseCode {
        case .success: status = .found
        case .pullNotFound: status = .noNewMessages
        case .pullRetryImmediately: status = .noMatchedMessages
        case .pullOffsetMoved: status = .offsetIllegal
        default: throw MQClientError(refusal: answer, by: address)
        }
        let header = try read(PullMessageResponseHeader.self, from: answer, address: address)
        suggestedBrokers[queue] = header.suggestedBrokerID
        let messages =
            status == .found ? try Self.messages(in: answer.body ?? ByteBuffer(), of: queue, address: address) : []
        return PullResult(
            status: status, messages: messages, nextOffset: header.nextBeginOffset, minOffset: header.minOffset,
            maxOffset: header.maxOffset, brokerAddress: address)
    }

    /// The group's committed offset: the next one to consume; `nil` when there is none.
    public func committedOffset(of queue: MessageQueue) async throws(MQClientError) -> Int64? {
        let header = QueryConsumerOffsetRequestHeader(
            consumerGroup: group, topic: queue.topic, queueID: queue.queueID)
        let address = try await authorityAddress(of: queue)
        let answer = try await ask(.request(.queryConsumerOffset, header), of: queue, at: address)
        switch answer.responseCode {
        case .success: return try read(OffsetResponseHeader.self, from: answer, address: address).offset
        case .queryNotFound: return nil
        default: throw MQClientError(refusal: answer, by: address)
        }
    }

    /// Commits the group's offset: the next one to consume.
    public func commit(_ offset: Int64, for queue: MessageQueue) async throws(MQClientError) {
        let header = UpdateConsumerOffsetRequestHeader(
            consumerGroup: group, topic: queue.topic, queueID: queue.queueID, commitOffset: offset)
        let address = try await authorityAddress(of: queue)
        let answer = try await call(.request(.updateConsumerOffset, header), queue: queue, address: address)
        guard answer.responseCode == .success else { throw MQClientError(refusal: answer, by: address) }
    }

    /// Unregisters the group from the brokers.
    public func shutdown() async {
        guard !isShutDown else { return }
        isShutDown = true
        await client.removeConsumer(group)
    }

    private func header(_ queue: MessageQueue) -> QueueRequestHeader {
        QueueRequestHeader(topic: queue.topic, queueID: queue.queueID)
    }

    private func offset(_ request: RemotingCommand, of queue: MessageQueue) async throws(MQClientError) -> Int64 {
        let address = try await authorityAddress(of: queue)
        let answer = try await ask(request, of: queue, at: address)
        guard answer.responseCode == .success else { throw MQClientError(refusal: answer, by: address) }
        return try read(OffsetResponseHeader.self, from: answer, address: address).offset
    }

    /// Where to read a queue.
    private func readAddress(of queue: MessageQueue) async throws(MQClientError) -> String {
        let suggested = suggestedBrokers[queue]
        return try await address(of: queue) { $0.readAddress(suggestedID: suggested) }
    }

    /// Who keeps a queue's offsets and takes its messages back.
    private func authorityAddress(of queue: MessageQueue) async throws(MQClientError) -> String {
        try await address(of: queue) { $0.authorityAddress }
    }

    /// Chooses one of a queue's brokers; asks for the route anew when the known one has no answer.
    private func address(
        of queue: MessageQueue, _ choose: @Sendable (BrokerSet) -> String?
    ) async throws(MQClientError) -> String {
        guard !isShutDown else { throw .invalid(reason: "consumer \(group) is shut down") }
        for isRefreshing in [false, true] {
            let route = try await client.subscribeRoute(of: queue.topic, isRefreshing: isRefreshing)
            if let set = route.brokers[queue.brokerName], let address = choose(set) { return address }
        }
        throw .noQueue(topic: queue.topic, reason: "no broker of \(queue.brokerName) is alive")
    }

    /// Calls a broker; a failure drops the route and the suggestion, which may be why.
    private func call(
        _ request: RemotingCommand, queue: MessageQueue, address: String
    ) async throws(MQClientError) -> RemotingCommand {
        do throws(MQClientError) {
            return try await client.call(request, to: address)
        } catch {
            distrust(queue)
            throw error
        }
    }

    /// The same for a question, whose answer is nothing to who is cancelled; a broker may hold it for long.
    private func ask(
        _ request: RemotingCommand, of queue: MessageQueue, at address: String, hold: Duration = .zero
    ) async throws(MQClientError) -> RemotingCommand {
        do throws(MQClientError) {
            return try await client.cancellableCall(
                request, to: address, timeout: client.configuration.requestTimeout + hold)
        } catch {
            if !Task.isCancelled { distrust(queue) }
            throw error
        }
    }

    private func distrust(_ queue: MessageQueue) {
        client.distrustRoute(of: queue.topic)
        suggestedBrokers[queue] = nil
    }

    private func read<Header: CommandHeader>(
        _ type: Header.Type, from answer: RemotingCommand, address: String
    ) throws(MQClientError) -> Header {
        do throws(HeaderError) {
            return try answer.header(type)
        } catch {
            throw .unreadableAnswer(address: address, reason: error.description)
        }
    }

    /// The records of a pull's body; a body with a wrong sum is delivered and marked.
    static func messages(
        in body: ByteBuffer, of queue: MessageQueue, address: String
    ) throws(MQClientError) -> [ReceivedMessage] {
        var rest = body
        var messages: [ReceivedMessage] = []
        while rest.readableBytes > 0 {
            switch StoredRecord.read(from: &rest, verifyingChecksum: false) {
            case .record(let record), .checksumMismatch(let record):
                messages.append(ReceivedMessage(record, queue: queue))
            case let other:
                throw .unreadableAnswer(address: address, reason: "record \(messages.count) of a pull: \(other)")
            }
        }
        return messages
    }
}

extension Duration {
    /// Whole milliseconds, rounded down.
    var wholeMilliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
