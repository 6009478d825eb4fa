import MQTransport
import MQWire
import NIOCore
import Synchronization

/// Sends messages one behind the other without waiting for their answers: RocketMQ's asynchronous send.
///
/// Each message is tried once, and whoever sent it hears what came of it. So many may be on their way at once; whoever
/// sends more waits for room, so that a slow broker slows its senders instead of filling their memory.
public final class SendPipeline: Sendable {
    /// What hears of a message; called on an event loop's thread, where nothing may block.
    public typealias Completion = @Sendable (Result<SendReceipt, MQClientError>) -> Void

    private struct State {
        var rotation: QueueRotation
        var inFlight = 0
        /// Who waits for room, and who for the last answer.
        var senders: [CheckedContinuation<Void, Never>] = []
        var drainers: [CheckedContinuation<Void, Never>] = []
    }

    private let group: String
    private let client: MQConnection
    private let limit: Int
    private let state: Mutex<State>

    /// - Parameter limit: how many messages may be on their way at once; at least 1.
    init(group: String, client: MQConnection, limit: Int) {
        precondition(limit > 0, "a limit of \(limit) lets nothing through")
        self.group = group
        self.client = client
        self.limit = limit
        state = Mutex(State(rotation: QueueRotation(start: client.randomStart())))
    }

    /// Sends a message, as soon as there is room for it.
    ///
    /// - Parameter message: the message.
    /// - Parameter queue: where it shall go; the pipeline chooses when `nil`, one queue after the other.
    /// - Parameter completion: hears of it exactly once, unless this throws.
    /// - Throws: what is known before anything is sent: the message is invalid, the topic has no queue, or the task was
    ///   cancelled while it waited.
    public func send(
        _ message: Message, to queue: MessageQueue? = nil, completion: @escaping Completion
    ) async throws(MQClientError) {
        let request = try PreparedSend(message, ids: client.ids)
        if let (target, address) = knownTarget(for: message.topic, wish: queue), takeRoom() {
            return start(request, to: target, at: address, completion)
        }
        let (target, address) = try await target(for: message.topic, wish: queue)
        while true {
            guard !Task.isCancelled else { throw .cancelled }
            if takeRoom() { break }
            await room()
        }
        start(request, to: target, at: address, completion)
    }

    /// Waits until every message that was sent is answered or has failed.
    public func drain() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if state.inFlight > 0 { state.drainers.append(continuation) }
                return state.inFlight == 0
            }
            if isEmpty { continuation.resume() }
        }
    }

    // MARK: Room

    private func takeRoom() -> Bool {
        state.withLock { state in
            guard state.inFlight < limit else { return false }
            state.inFlight += 1
            return true
        }
    }

    /// Waits until there is room again; who is cancelled meanwhile waits on for it, which some answer or its time limit
    /// makes in any case.
    private func room() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                if state.inFlight >= limit { state.senders.append(continuation) }
                return state.inFlight < limit
            }
            if isFree { continuation.resume() }
        }
    }

    private func giveRoom() {
        let woken = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.inFlight -= 1
            var woken: [CheckedContinuation<Void, Never>] = []
            // Not for each place that becomes free: waking costs more than sending.
            if !state.senders.isEmpty, state.inFlight <= limit / 2 { swap(&woken, &state.senders) }
            if state.inFlight == 0 {
                woken += state.drainers
                state.drainers = []
            }
            return woken
        }
        for continuation in woken { continuation.resume() }
    }

    // MARK: Targets

    private func knownTarget(for topic: String, wish: MessageQueue?) -> (MessageQueue, String)? {
        client.knownPublishRoute(of: topic).flatMap { target(of: $0, wish: wish) }
    }

    private func target(of route: TopicRoute, wish: MessageQueue?) -> (MessageQueue, String)? {
        let queue = wish ?? state.withLock { $0.rotation.next(of: route.writableQueues, avoiding: nil) }
        guard let queue, let address = route.brokers[queue.brokerName]?.masterAddress else { return nil }
        return (queue, address)
    }

    private func target(
        for topic: String, wish: MessageQueue?
    ) async throws(MQClientError) -> (MessageQueue, String) {
        for isRefreshing in [false, true] {
            let route = try await client.publishRoute(of: topic, isRefreshing: isRefreshing)
            if let target = target(of: route, wish: wish) { return target }
        }
        throw .noQueue(
            topic: topic,
            reason: wish.map { "broker \($0.brokerName) has no master now" } ?? "no broker takes writes now")
    }

    // MARK: Exchanges

    private func start(
        _ request: PreparedSend, to queue: MessageQueue, at address: String, _ completion: @escaping Completion
    ) {
        let command = request.command(for: queue, group: group, configuration: client.configuration)
        let id = request.messageIDs[0]
        client.future(command, to: address).whenComplete { [self] answer in
            let result = Result { () throws(MQClientError) in
                try Self.receipt(answer, messageID: id, queue: queue, address: address)
            }
            if case .failure(let error) = result, error.mayBeTheRoute { client.distrustRoute(of: queue.topic) }
            giveRoom()
            completion(result)
        }
    }

    private static func receipt(
        _ answer: Result<RemotingCommand, any Error>, messageID: String, queue: MessageQueue, address: String
    ) throws(MQClientError) -> SendReceipt {
        let command: RemotingCommand
        switch answer {
        case .success(let answer): command = answer
        case .failure(let error as TransportError): throw MQClientError(error, address: address)
        case .failure(let error): throw .noAnswer(address: address, reason: "\(error)")
        }
        let accepted = try AcceptedSend(command, queue: queue, address: address)
        return SendReceipt(
            status: accepted.status, messageID: messageID, offsetMessageID: accepted.header.messageID,
            queue: accepted.queue, queueOffset: accepted.header.queueOffset, brokerAddress: address, attempt: 1)
    }
}

/// A broker's answer to a send that it took.
struct AcceptedSend: Sendable {
    var status: SendStatus
    var header: SendMessageResponseHeader
    /// The queue that has it: the broker may have chosen.
    var queue: MessageQueue

    /// - Throws: the refusal, or `unreadableAnswer`.
    init(_ answer: RemotingCommand, queue: MessageQueue, address: String) throws(MQClientError) {
        guard let status = SendStatus(answer.responseCode) else { throw MQClientError(refusal: answer, by: address) }
        self.status = status
        do throws(HeaderError) {
            header = try answer.header()
        } catch {
            throw .unreadableAnswer(address: address, reason: error.description)
        }
        self.queue = MessageQueue(topic: queue.topic, brokerName: queue.brokerName, queueID: header.queueID)
    }
}
