import Foundation
import MQBroker
import MQClient
import MQNameserver
import Synchronization
import Testing

/// The guides' examples, run; and held against the guides, so that neither changes alone.
@Suite struct ExampleTests {
    /// What the examples write to.
    private actor Book {
        private(set) var pages: [String] = []
        var isFull: Bool { pages.count >= 2 }
        /// It opens when somebody has asked once in vain.
        private(set) var askedTimes = 0
        var isOpen: Bool {
            askedTimes += 1
            return askedTimes > 1
        }
        func write(_ body: [UInt8]) { pages.append(String(decoding: body, as: UTF8.self)) }
        func has(_ body: [UInt8]) -> Bool { pages.contains(String(decoding: body, as: UTF8.self)) }
    }

    /// - Parameter check: how often the broker asks about transactions, each of them at once; `nil` leaves its defaults.
    private func withCluster(
        check: Duration? = nil, _ body: (_ nameserver: String, _ client: MQConnection) async throws -> Void
    ) async throws {
        let nameserver = try await TestNameserver.start()
        let broker = try await TestBroker.start(nameserver: nameserver.address) {
            guard let check else { return }
            $0.transactionTimeout = .milliseconds(1)
            $0.transactionCheckInterval = check
        }
        let client = MQConnection(
            configuration: .init(nameservers: [nameserver.address], requestTimeout: .seconds(10)))
        let admin = MQAdmin(client: client)
        #expect(try await eventually { try await admin.clusterInfo().brokers["broker-a"] != nil })
        do { try await body(nameserver.address, client) } catch { Issue.record(error) }
        await client.shutdown()
        await broker.stop()
        await nameserver.service.shutdown()
    }

    @Test func producing() async throws {
        try await withCluster { nameserver, outer in
            do {
                // example: send
                let client = MQConnection(configuration: .init(nameservers: [nameserver]))
                let producer = Producer(group: "shop", client: client)
                let receipt = try await producer.send(Message(topic: "orders", body: Array("4711".utf8), tags: "paid"))
                print("kept as \(receipt.status.rawValue) at \(receipt.queue), \(receipt.queueOffset)")
                await producer.shutdown()
                await client.shutdown()
                // end
                #expect(receipt.status == .ok)
            }
            let producer = Producer(group: "shop", client: outer)
            do {
                // example: batch
                let messages = (1...3).map { Message(topic: "orders", body: Array("item \($0)".utf8)) }
                let receipt = try await producer.send(batch: messages)
                print("\(receipt.messageIDs.count) messages from \(receipt.queueOffset) on")
                // end
                #expect(receipt.messageIDs.count == 3)
            }
            // example: sideBySide
            async let first = producer.send(Message(topic: "orders", body: Array("4713".utf8)))
            async let second = producer.send(Message(topic: "orders", body: Array("4714".utf8)))
            print("kept at \(try await first.queue) and \(try await second.queue)")
            try await producer.sendOneWay(Message(topic: "clicks", body: Array("/basket".utf8)))
            // end
            // example: pipeline
            let pipeline = producer.pipeline(limit: 256)
            for reading in 1...1000 {
                try await pipeline.send(Message(topic: "readings", body: Array("\(reading)".utf8))) { result in
                    if case .failure(let error) = result { print("reading \(reading): \(error)") }
                }
            }
            await pipeline.drain()
            // end
            // example: order
            for step in ["created", "paid", "sent"] {
                try await producer.send(Message(topic: "orders", body: Array(step.utf8)), orderedBy: "order-4711")
            }
            let customer = 12
            try await producer.send(Message(topic: "orders", body: Array("4715".utf8))) { queues in
                queues[customer % queues.count]
            }
            try await producer.send(Message(topic: "reminders", body: Array("pay!".utf8), delayLevel: 1))
            // end
            // example: failure
            do throws(MQClientError) {
                try await producer.send(Message(topic: "orders", body: Array("4712".utf8)), attempts: 1)
            } catch {
                switch error.outcome {
                case .notSent, .refused: print("certainly not stored: \(error)")
                case .unknown: print("may be stored: \(error)")
                }
            }
            // end
            do {
                let client = outer
                // example: resilient
                let producer = Producer(group: "shop", client: client, avoidsSlowBrokers: true, repeatsWeakSends: true)
                let receipt = try await producer.send(Message(topic: "orders", body: Array("4716".utf8)), attempts: 3)
                print("message \(receipt.messageID) needed \(receipt.attempt) of 3 attempts")
                // end
                #expect(receipt.attempt == 1)
                await producer.shutdown()
            }
            // Everything that the guide sends is there.
            let stored = try await bodies(of: "orders", outer)
            #expect(
                stored == [
                    "4711", "4712", "4713", "4714", "4715", "4716", "created", "item 1", "item 2", "item 3", "paid",
                    "sent",
                ])
            #expect(await eventually { (try? await bodies(of: "clicks", outer)) == ["/basket"] })
            #expect(await eventually { (try? await bodies(of: "reminders", outer)) == ["pay!"] })
            await producer.shutdown()
        }
    }

    private func bodies(of topic: String, _ client: MQConnection) async throws -> [String] {
        let consumer = PullConsumer(group: "reader", client: client)
        var found: [String] = []
        for queue in try await consumer.queues(for: topic) {
            found += try await consumer.pull(queue, from: 0).messages.map { String(decoding: $0.body, as: UTF8.self) }
        }
        await consumer.shutdown()
        return found.sorted()
    }

    /// Runs an example that does not end by itself until the book has these pages.
    private func reading(
        _ pages: [String], in book: Book, _ example: @escaping @Sendable () async throws -> Void
    ) async {
        let reading = Task(operation: example)
        #expect(await eventually { await book.pages.sorted() == pages })
        reading.cancel()
        _ = await reading.result
    }

    @Test func consuming() async throws {
        try await withCluster { _, client in
            let producer = Producer(group: "shop", client: client)
            for (body, tag, amount) in [("a", "paid", 50), ("b", "refunded", 150), ("c", "open", 160)] {
                try await producer.send(
                    Message(topic: "orders", body: Array(body.utf8), tags: tag, properties: ["amount": "\(amount)"]))
            }
            do {
                let book = Book()
                await reading(["a", "b"], in: book) {
                    // example: push
                    let consumer = PushConsumer(.init(group: "billing", startsFrom: .beginning), client: client)
                    await consumer.subscribe(to: "orders", tags: "paid || refunded")
                    try await consumer.run { messages in
                        for message in messages { await book.write(message.body) }
                        return .done
                    }
                    // end
                }
            }
            do {
                let book = Book()
                await reading(["a", "b", "c"], in: book) {
                    // example: orderly
                    var settings = PushConsumerConfiguration(group: "ledger", startsFrom: .beginning, order: .orderly)
                    settings.orderlyPause = .milliseconds(100)
                    let consumer = PushConsumer(settings, client: client)
                    await consumer.subscribe(to: "orders")
                    try await consumer.run { messages in
                        guard await book.isOpen else { return .later() }
                        for message in messages { await book.write(message.body) }
                        return .done
                    }
                    // end
                }
                #expect(await book.askedTimes > 3)
            }
            do {
                let book = Book()
                let folder = try temporaryFolder()
                await reading(["a", "b", "c"], in: book) {
                    // example: broadcast
                    var settings = PushConsumerConfiguration(
                        group: "caches", messageModel: .broadcasting, startsFrom: .beginning)
                    settings.offsetFolder = folder
                    let consumer = PushConsumer(settings, client: client)
                    await consumer.subscribe(to: "orders")
                    try await consumer.run { messages in
                        for message in messages { await book.write(message.body) }
                        return .done
                    }
                    // end
                }
                removeFolder(folder)
            }
            do {
                let book = Book()
                // example: lite
                let consumer = LitePullConsumer(.init(group: "audit", startsFrom: .beginning), client: client)
                try await consumer.subscribe(to: "orders", where: "amount BETWEEN 100 AND 200")
                for try await messages in consumer.batches {
                    for message in messages { await book.write(message.body) }
                    if await book.isFull { break }
                }
                await consumer.shutdown()
                // end
                #expect(await book.pages.sorted() == ["b", "c"])
            }
            do {
                let book = Book()
                // example: assign
                let consumer = LitePullConsumer(.init(group: "replay", commitInterval: nil), client: client)
                let queues = try await consumer.queues(for: "orders")
                try await consumer.assign(queues)
                for queue in queues { try await consumer.seek(queue, to: consumer.minOffset(of: queue)) }
                await consumer.pause(Array(queues.dropFirst(2)))
                while let last = try await consumer.poll(within: .seconds(1)).last {
                    await book.write(last.body)
                    try await consumer.commit(through: last)
                }
                await consumer.resume(queues)
                await consumer.shutdown()
                // end
                // Three messages went around four queues: two or one of them lie in the first two.
                #expect((1...2).contains(await book.pages.count))
                var committed = 0
                for queue in queues where (try await consumer.committedOffset(of: queue) ?? 0) > 0 { committed += 1 }
                #expect(committed == (await book.pages.count))
            }
            let book = Book()
            // example: pull
            let consumer = PullConsumer(group: "search", client: client)
            for queue in try await consumer.queues(for: "orders") {
                let pulled = try await consumer.pull(queue, from: consumer.minOffset(of: queue))
                for message in pulled.messages { await book.write(message.body) }
                try await consumer.commit(pulled.nextOffset, for: queue)
            }
            await consumer.shutdown()
            // end
            #expect(await book.pages.sorted() == ["a", "b", "c"])
        }
    }

    @Test func transactions() async throws {
        try await withCluster { _, client in
            let book = Book()
            // example: transaction
            let producer = TransactionProducer(group: "orders", client: client) { message in
                await book.has(message.body) ? .commit : .unknown
            }
            let receipt = try await producer.send(Message(topic: "orders", body: Array("4711".utf8))) { half in
                await book.write(Array("4711".utf8))
                return .commit
            }
            print("\(receipt.outcome), \(receipt.isConfirmed ? "taken" : "to be asked for")")
            await producer.shutdown()
            // end
            #expect(receipt.outcome == .commit && receipt.isConfirmed)
            #expect(try await bodies(of: "orders", client) == ["4711"])
        }
        try await withCluster(check: .milliseconds(200)) { _, client in
            let book = Book()
            // example: unknown
            let producer = TransactionProducer(group: "orders", client: client) { message in
                await book.has(message.body) ? .commit : .rollback
            }
            do {
                _ = try await producer.send(Message(topic: "orders", body: Array("4712".utf8))) { half in
                    await book.write(Array("4712".utf8))
                    // It is done, and nobody hears of it.
                    throw CancellationError()
                }
            } catch {
                print("the check will say: \(error)")
            }
            // end
            let isDelivered = try await eventually { try await bodies(of: "orders", client) == ["4712"] }
            #expect(isDelivered)
            await producer.shutdown()
        }
    }

    /// Each example of the guides is, line by line, what runs above; and nothing else is shown anywhere as Swift.
    @Test func theGuidesSayWhatRuns() throws {
        let here = URL(fileURLWithPath: #filePath)
        let root = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let target = root.appendingPathComponent("Sources/MQClient")
        let run = Self.blocks(of: try String(contentsOf: here, encoding: .utf8), from: "// example: ", to: "// end")
        var told: [String: [String]] = [:]
        var shown = 0
        let files = try #require(FileManager.default.enumerator(at: target, includingPropertiesForKeys: nil))
        for case let file as URL in files where ["md", "swift"].contains(file.pathExtension) {
            let text = try String(contentsOf: file, encoding: .utf8)
            shown += text.components(separatedBy: "```swift").count - 1
            for (example, lines) in Self.blocks(of: text, from: "<!-- example: ", to: "```") {
                #expect(told.updateValue(lines, forKey: example) == nil, "two examples are named \(example)")
            }
        }
        #expect(run.count == 15 && shown == 15, "\(run.count) run, \(shown) shown")
        #expect(Set(run.keys) == Set(told.keys), "\(run.keys.sorted()) \(told.keys.sorted())")
        for (example, lines) in run { #expect(told[example] == lines, "\(example)") }
    }

    /// The lines between a marker that names an example and the next end, without what all of them are indented by.
    private static func blocks(of text: String, from marker: String, to end: String) -> [String: [String]] {
        var blocks: [String: [String]] = [:]
        var name: String?
        for line in text.components(separatedBy: "\n") {
            let words = line.trimmingCharacters(in: .whitespaces)
            if words.hasPrefix(marker), !words.contains("\"") {
                name = words.dropFirst(marker.count).split(separator: " ").first.map(String.init)
                blocks[name ?? ""] = []
            } else if words == end {
                name = nil
            } else if let name, words != "```swift" {
                blocks[name]?.append(line)
            }
        }
        return blocks.mapValues { lines in
            let indent = lines.filter { !$0.isEmpty }.map { $0.prefix { $0 == " " }.count }.min() ?? 0
            return lines.map { String($0.dropFirst(indent)) }
        }
    }
}
