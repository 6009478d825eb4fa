import Glibc
import MQClient
import MQTransport
import MQWire
import Synchronization

/// Senders that go on while the master is moved, and what is in the queues afterwards.
struct HandoverRun {
    let client: MQConnection
    let brokerName: String
    let times: Int
    let concurrency: Int
    let pause: Duration

    /// Between two attempts of a sender that was refused.
    private static let refusedPause = Duration.milliseconds(1)
    /// How long a broker may take from the request to being the master everywhere.
    private static let patience = Duration.seconds(20)

    /// When somebody was acknowledged, and what.
    private final class Book: Sendable {
        struct Pages {
            var lastAcknowledged = ContinuousClock.now
            /// The longest time without an acknowledgement since it was asked for last.
            var longestSilence = Duration.zero
            var acknowledged: Set<String> = []
            var refused = 0
            var unknown = 0
        }

        let pages = Mutex(Pages())
        let isOver = Atomic(false)

        func note(_ id: String) {
            let now = ContinuousClock.now
            pages.withLock { pages in
                pages.longestSilence = max(pages.longestSilence, now - pages.lastAcknowledged)
                pages.lastAcknowledged = now
                pages.acknowledged.insert(id)
            }
        }

        func takeSilence() -> Duration {
            pages.withLock { pages in
                defer { pages.longestSilence = .zero }
                return pages.longestSilence
            }
        }
    }

    func measure() async throws -> HandoverOutcome {
        let admin = MQAdmin(client: client)
        let topic = "handover-\(getpid())"
        guard let master = try await admin.clusterInfo().brokers[brokerName]?.masterAddress else {
            throw MQClientError.invalid(reason: "no nameserver knows a master of '\(brokerName)'")
        }
        try await admin.createTopic(topic, readQueues: 4, writeQueues: 4, on: master)
        let book = Book()
        let silences = try await withThrowingTaskGroup(of: Void.self) { group in
            for sender in 0..<concurrency { group.addTask { await send(sender, to: topic, book) } }
            defer { book.isOver.store(true, ordering: .releasing) }
            return try await move(admin, book)
        }
        guard book.pages.withLock({ !$0.acknowledged.isEmpty }) else {
            throw MQClientError.invalid(reason: "nothing was acknowledged at all")
        }
        let (found, twice) = try await read(topic)
        return book.pages.withLock { pages in
            HandoverOutcome(
                silences: silences, acknowledged: pages.acknowledged.count, refused: pages.refused,
                unknown: pages.unknown, lost: pages.acknowledged.subtracting(found).count, twice: twice)
        }
    }

    private func send(_ sender: Int, to topic: String, _ book: Book) async {
        let producer = Producer(group: "mqbench", client: client)
        var number = 0
        while !book.isOver.load(ordering: .acquiring), !Task.isCancelled {
            let id = "\(sender)-\(number)"
            number += 1
            do {
                let receipt = try await producer.send(
                    Message(topic: topic, body: Array(id.utf8)), attempts: 1)
                if receipt.status == .ok { book.note(id) } else { book.pages.withLock { $0.unknown += 1 } }
            } catch {
                book.pages.withLock { if error.outcome == .unknown { $0.unknown += 1 } else { $0.refused += 1 } }
                try? await Task.sleep(for: Self.refusedPause)
            }
        }
        await producer.shutdown()
    }

    /// Moves the master so often; gives for each the longest time without an acknowledgement.
    private func move(_ admin: MQAdmin, _ book: Book) async throws -> [Duration] {
        var silences: [Duration] = []
        try await Task.sleep(for: pause)
        for turn in 0..<times {
            let known = try await admin.clusterInfo().brokers[brokerName]?.addresses ?? [:]
            let slaves = known.filter { $0.key != 0 }
            guard !slaves.isEmpty else {
                throw MQClientError.invalid(reason: "'\(brokerName)' has no broker that could take over")
            }
            let (heir, address) = slaves.sorted { $0.key < $1.key }[turn % slaves.count]
            _ = book.takeSilence()
            try await admin.switchMaster(ofBroker: brokerName, to: heir)
            try await waitForMaster(at: address, admin)
            try await Task.sleep(for: pause)
            silences.append(book.takeSilence())
        }
        return silences
    }

    private func waitForMaster(at address: String, _ admin: MQAdmin) async throws {
        let deadline = ContinuousClock.now + Self.patience
        while try await admin.clusterInfo().brokers[brokerName]?.masterAddress != address {
            guard ContinuousClock.now < deadline else {
                throw MQClientError.invalid(
                    reason: "\(address) is not the master \(Self.patience) after it was asked to be")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// All that is in the queues: which messages, and how many of them more than once.
    private func read(_ topic: String) async throws -> (found: Set<String>, twice: Int) {
        let consumer = PullConsumer(group: "mqbench-handover", client: client)
        var found: Set<String> = []
        var twice = 0
        for queue in try await consumer.queues(for: topic) {
            var offset = try await consumer.minOffset(of: queue)
            let end = try await consumer.maxOffset(of: queue)
            while offset < end {
                let pulled = try await consumer.pull(queue, from: offset, max: 1024)
                for message in pulled.messages
                where !found.insert(String(decoding: message.body, as: UTF8.self)).inserted {
                    twice += 1
                }
                guard pulled.nextOffset > offset else {
                    throw MQClientError.invalid(reason: "\(queue) gives nothing at offset \(offset) of \(end)")
                }
                offset = pulled.nextOffset
            }
        }
        await consumer.shutdown()
        return (found, twice)
    }
}

/// What hand-overs came to.
struct HandoverOutcome {
    /// For each, the longest time without an acknowledgement.
    var silences: [Duration]
    var acknowledged: Int
    var refused: Int
    /// Of which nobody knows, or stored in one memory.
    var unknown: Int
    /// Acknowledged and in no queue.
    var lost: Int
    /// In the queues more than once, although each was sent once.
    var twice: Int

    var isClean: Bool { lost == 0 && twice == 0 }

    /// Milliseconds that so many in a hundred hand-overs do not pass, by the nearest rank.
    private func milliseconds(_ percentile: Int) -> Double {
        let sorted = silences.sorted()
        guard !sorted.isEmpty else { return 0 }
        let value = sorted[max(1, (sorted.count * percentile + 99) / 100) - 1]
        return ((value / .microseconds(10)).rounded()) / 100
    }

    var text: String {
        """
        \(silences.count) hand-overs, without an acknowledgement: \(milliseconds(50)) ms at the median, \
        \(milliseconds(99)) ms at p99, \(milliseconds(100)) ms at most
        \(acknowledged) acknowledged, \(lost) lost, \(twice) there twice; \(refused) refused, \(unknown) unknown
        """
    }

    var json: JSONValue {
        func number(_ percentile: Int) -> JSONValue { .number(milliseconds(percentile)) }
        return [
            "handovers": .integer(Int64(silences.count)), "p50_milliseconds": number(50),
            "p99_milliseconds": number(99),
            "longest_milliseconds": number(100), "acknowledged": .integer(Int64(acknowledged)),
            "lost": .integer(Int64(lost)), "twice": .integer(Int64(twice)), "refused": .integer(Int64(refused)),
            "unknown": .integer(Int64(unknown)),
        ]
    }
}
