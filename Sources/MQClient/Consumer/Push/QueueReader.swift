import Logging
import MQWire
import Synchronization

/// Reads one queue and hands its messages to the handler, until it is cancelled.
///
/// The decisions are `QueueProgress`'s; this is the loop around it.
final class QueueReader: Sendable {
    typealias Handler = @Sendable ([ReceivedMessage]) async throws -> ConsumeOutcome

    let queue: MessageQueue
    let subscription: Subscription
    private let settings: PushConsumerConfiguration
    private let client: MQConnection
    private let puller: PullConsumer
    private let gate: Gate
    private let handler: Handler
    private let logger: Logger
    private let progress: Mutex<QueueProgress?>
    /// One element at most: something was done, so there may be room.
    private let room: (stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation)

    /// How long a reader rests after an error.
    private static let pause = Duration.milliseconds(500)
    /// How often an orderly reader looks whether its queue is locked for it.
    private static let lockPoll = Duration.milliseconds(100)

    init(
        queue: MessageQueue, subscription: Subscription, settings: PushConsumerConfiguration, client: MQConnection,
        puller: PullConsumer, gate: Gate, logger: Logger, handler: @escaping Handler
    ) {
        self.queue = queue
        self.subscription = subscription
        self.settings = settings
        self.client = client
        self.puller = puller
        self.gate = gate
        self.logger = logger
        self.handler = handler
        progress = Mutex(nil)
        room = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// What to commit; nil until the reader knows where it begins.
    var commitOffset: Int64? { progress.withLock { $0?.commitOffset } }

    /// Reads until cancelled; what the handler has then, it finishes.
    func run(from known: Int64?) async {
        switch settings.order {
        case .concurrent:
            guard let start = await begin(known) else { return }
            await readConcurrently(from: start)
        case .orderly:
            while await waitForLock() {
                // Whoever had the lock in between may have gone on from where this reader was.
                guard let start = await begin(known) else { return }
                await readInOrder(from: start)
            }
        }
    }

    // MARK: Where to begin

    private func begin(_ known: Int64?) async -> Int64? {
        while !Task.isCancelled {
            do throws(MQClientError) {
                let start = try await firstOffset(known)
                progress.withLock { $0 = QueueProgress(from: start) }
                return start
            } catch {
                await rest(after: error)
            }
        }
        return nil
    }

    private func firstOffset(_ known: Int64?) async throws(MQClientError) -> Int64 {
        if let known { return known }
        if settings.messageModel == .clustering, let offset = try await puller.committedOffset(of: queue) {
            return offset
        }
        // Retries wait for this group alone; none of them is too old.
        if queue.topic.hasPrefix(Subscription.retryPrefix) { return 0 }
        return try await puller.offset(of: queue, at: settings.startsFrom)
    }

    // MARK: Side by side

    private func readConcurrently(from start: Int64) async {
        await withDiscardingTaskGroup { group in
            var offset = start
            while !Task.isCancelled {
                await waitForRoom()
                guard let pulled = await pull(from: offset) else { continue }
                offset = pulled.nextOffset
                let messages = take(pulled)
                for batch in messages.chunked(settings.handlerBatch) {
                    await gate.enter()
                    // What was taken and not begun is left to the queue's next reader.
                    guard !Task.isCancelled else {
                        gate.leave()
                        break
                    }
                    group.addTask { [self] in
                        await handle(batch)
                        gate.leave()
                    }
                }
            }
        }
    }

    private func handle(_ batch: [ReceivedMessage]) async {
        switch await call(batch) {
        case .done: finish(batch)
        case .later(let delayLevel):
            for message in batch where await sendBack(message, delayLevel: delayLevel) { finish([message]) }
        case nil: break
        }
    }

    /// Gives a message back to the broker, which brings it again after the delay; until the broker has taken it, it is
    /// tried again and again. False when cancelled before: the next reader of the queue gets it.
    private func sendBack(_ message: ReceivedMessage, delayLevel: Int32) async -> Bool {
        guard settings.messageModel == .clustering else {
            logger.warning("a broadcast message failed and is dropped", metadata: ["id": "\(message.messageID)"])
            return true
        }
        while true {
            do throws(MQClientError) {
                try await puller.sendBack(
                    message, delayLevel: delayLevel, maxReconsumeTimes: settings.maxReconsumeTimes ?? 16)
                return true
            } catch {
                guard !Task.isCancelled else { return false }
                await rest(after: error)
            }
        }
    }

    // MARK: In order

    private var isMine: Bool {
        settings.messageModel == .broadcasting || client.locks.holds(queue, group: settings.group)
    }

    /// Waits until the broker has locked the queue for this member; false when cancelled.
    private func waitForLock() async -> Bool {
        while !Task.isCancelled {
            if isMine { return true }
            try? await Task.sleep(for: Self.lockPoll)
        }
        return false
    }

    /// Reads until cancelled, or until the lock is gone.
    private func readInOrder(from start: Int64) async {
        var offset = start
        while !Task.isCancelled, isMine {
            guard let pulled = await pull(from: offset) else { continue }
            offset = pulled.nextOffset
            for batch in take(pulled).chunked(settings.handlerBatch) {
                guard await handleInOrder(batch) else { return }
            }
        }
    }

    /// Tries until it is done; false when cancelled before, or when the lock is gone.
    private func handleInOrder(_ batch: [ReceivedMessage]) async -> Bool {
        var tries: Int32 = 0
        while !Task.isCancelled, isMine {
            await gate.enter()
            let outcome = await call(batch)
            gate.leave()
            switch outcome {
            case .done:
                finish(batch)
                return true
            case .later:
                tries += 1
                if let limit = settings.maxReconsumeTimes, tries >= limit {
                    for message in batch {
                        guard await sendBack(message, delayLevel: -1) else { return false }
                        finish([message])
                    }
                    return true
                }
                try? await Task.sleep(for: settings.orderlyPause)
            case nil: return false
            }
        }
        return false
    }

    // MARK: Both

    /// The handler's word; nil when it was cancelled, and the messages are the next reader's.
    private func call(_ batch: [ReceivedMessage]) async -> ConsumeOutcome? {
        do {
            return try await handler(batch)
        } catch {
            guard !Task.isCancelled else { return nil }
            logger.info(
                "a handler failed", metadata: ["queue": "\(queue)", "id": "\(batch[0].messageID)", "error": "\(error)"])
            return .later()
        }
    }

    private func take(_ pulled: PullResult) -> [ReceivedMessage] {
        let wanted = pulled.messages.filter { subscription.matches($0) }
        progress.withLock { progress in
            // A log that lost its end in a crash has a smaller one now.
            if pulled.status == .offsetIllegal { progress = QueueProgress(from: pulled.nextOffset) }
            for message in wanted { progress?.take(message.queueOffset, bytes: message.body.count) }
            progress?.pass(to: pulled.nextOffset)
        }
        return wanted
    }

    private func finish(_ batch: [ReceivedMessage]) {
        progress.withLock { progress in
            for message in batch { progress?.finish(message.queueOffset) }
        }
        room.continuation.yield()
    }

    private func waitForRoom() async {
        let limits = QueueProgress.Limits(
            messages: settings.bufferedMessages, bytes: settings.bufferedBytes, span: settings.bufferedSpan)
        func hasRoom() -> Bool { progress.withLock { $0?.hasRoom(limits) ?? true } }
        guard !hasRoom() else { return }
        // Ends with the task's cancellation, too.
        for await _ in room.stream where hasRoom() { return }
    }

    /// One pull; nil when it failed or brought nothing, after a rest where one is due.
    private func pull(from offset: Int64) async -> PullResult? {
        do throws(MQClientError) {
            return try await puller.pull(
                queue, from: offset, max: Int32(settings.pullBatch), hold: settings.hold, subscription: subscription)
        } catch {
            await rest(after: error)
            return nil
        }
    }

    private func rest(after error: MQClientError) async {
        guard !Task.isCancelled else { return }
        logger.debug("reading pauses", metadata: ["queue": "\(queue)", "error": "\(error)"])
        try? await Task.sleep(for: Self.pause)
    }
}

extension Array {
    /// The elements in groups of so many, the last one shorter.
    fileprivate func chunked(_ size: Int) -> [[Element]] {
        stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) }
    }
}
