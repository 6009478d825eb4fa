import Foundation
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
        func write(_ body: [UInt8]) { pages.append(String(decoding: body, as: UTF8.self)) }
        func has(_ body: [UInt8]) -> Bool { pages.contains(String(decoding: body, as: UTF8.self)) }
    }

    private func withCluster(_ body: (_ nameserver: String, _ client: MQConnection) async throws -> Void) async throws {
        let nameserver = try await TestNameserver.start()
        let broker = try await TestBroker.start(nameserver: nameserver.address)
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
            // example: order
            for step in ["created", "paid", "sent"] {
                try await producer.send(Message(topic: "orders", body: Array(step.utf8)), orderedBy: "order-4711")
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
            await producer.shutdown()
        }
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
                let reading = Task {
                    // example: push
                    let consumer = PushConsumer(.init(group: "billing", startsFrom: .beginning), client: client)
                    await consumer.subscribe(to: "orders", tags: "paid || refunded")
                    try await consumer.run { messages in
                        for message in messages { await book.write(message.body) }
                        return .done
                    }
                    // end
                }
                #expect(await eventually { await book.pages.sorted() == ["a", "b"] })
                reading.cancel()
                _ = await reading.result
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
        }
    }

    /// Each example of the guides is, line by line, what runs above.
    @Test func theGuidesSayWhatRuns() throws {
        let here = URL(fileURLWithPath: #filePath)
        let root = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let guides = root.appendingPathComponent("Sources/MQClient/MQClient.docc")
        let run = Self.blocks(of: try String(contentsOf: here, encoding: .utf8), from: "// example: ", to: "// end")
        var told: [String: [String]] = [:]
        for name in ["Producing.md", "Consuming.md", "Transactions.md"] {
            let text = try String(contentsOf: guides.appendingPathComponent(name), encoding: .utf8)
            for (example, lines) in Self.blocks(of: text, from: "<!-- example: ", to: "```") {
                told[example] = lines
            }
        }
        #expect(run.count == 8 && Set(run.keys) == Set(told.keys), "\(run.keys.sorted()) \(told.keys.sorted())")
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
