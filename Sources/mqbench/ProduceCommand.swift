import ArgumentParser
import MQClient
import MQTransport
import MQWire
import Synchronization

/// `mqbench produce`: sends as fast as the broker answers.
struct ProduceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "produce", abstract: "Sends messages as fast as it may.",
        discussion: """
            Each of --concurrency tasks sends one message, or one batch, and waits for the answer before the next; with
            --pipeline it goes on while so many answers are on their way.

            Example: mqbench produce -n 127.0.0.1:9876 --concurrency 64 --size 128
                     mqbench produce -n 127.0.0.1:9876 --concurrency 1 --pipeline 1024
            """)

    @OptionGroup var target: TargetOptions
    @OptionGroup var options: RunOptions

    @Option(help: "Bytes of a body.")
    var size = 128

    @Option(help: "Messages in one request.")
    var batch = 1

    @Flag(help: "Send without an answer; what the broker really has is told by its offsets.")
    var oneWay = false

    @Option(help: "How many messages of a task may wait for their answers at once; 0 to wait for each.")
    var pipeline = 0

    @Flag(help: "Write requests' headers as JSON, as RocketMQ's clients do by default, and not in the compact form.")
    var jsonHeaders = false

    func validate() throws {
        guard (0...Producer.bodyLimitBytes).contains(size) else {
            throw ValidationError("--size \(size) is out of range (expected 0 to \(Producer.bodyLimitBytes))")
        }
        guard (1...10_000).contains(batch) else {
            throw ValidationError("--batch \(batch) is out of range (expected 1 to 10000)")
        }
        guard (0...1_000_000).contains(pipeline) else {
            throw ValidationError("--pipeline \(pipeline) is out of range (expected 0 to 1000000)")
        }
        guard pipeline == 0 || (batch == 1 && !oneWay) else {
            throw ValidationError("--pipeline sends single messages and takes their answers (omit --batch, --one-way)")
        }
        guard !oneWay || batch == 1 else { throw ValidationError("--one-way sends single messages (omit --batch)") }
    }

    func run() async throws { try options.report(try await measure()) }

    /// The run, without a word to anybody.
    func measure() async throws -> Measurement {
        let clients = (0..<target.clients).map { _ in
            MQConnection(
                configuration: .init(
                    nameservers: target.nameservers, threads: 1, headerEncoding: jsonHeaders ? .json : .compact))
        }
        let producers = clients.map { Producer(group: "mqbench", client: $0) }
        let window: Window
        do {
            // The topic is there, and its route known, before anything counts.
            for producer in producers { _ = try await producer.send(message) }
            window = Window(options)
        } catch {
            Console.complain("mqbench: \(error)")
            throw ExitCode.failure
        }
        async let spent = window.meter(options.brokerPid)
        let parts = await withTaskGroup(of: Measurement.Part.self) { group in
            for index in 0..<target.concurrency {
                let producer = producers[index % producers.count]
                group.addTask { await pipeline > 0 ? stream(producer, window) : load(producer, window) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let measurement = Measurement(
            name: "produce", settings: settings, window: window, parts: parts, spent: await spent)
        for producer in producers { await producer.shutdown() }
        for client in clients { await client.shutdown() }
        return measurement
    }

    private var message: Message { Message(topic: target.topic, body: [UInt8](repeating: 0x61, count: size)) }

    private var settings: [JSONMember] {
        [
            JSONMember("concurrency", .integer(Int64(target.concurrency))),
            JSONMember("clients", .integer(Int64(target.clients))), JSONMember("bodyBytes", .integer(Int64(size))),
            JSONMember("batch", .integer(Int64(batch))), JSONMember("oneWay", .bool(oneWay)),
            JSONMember("pipeline", .integer(Int64(pipeline))), JSONMember("jsonHeaders", .bool(jsonHeaders)),
        ]
    }

    private func stream(_ producer: Producer, _ window: Window) async -> Measurement.Part {
        let message = message
        let lane = producer.pipeline(limit: pipeline)
        let part = Mutex(Measurement.Part())
        while ContinuousClock.now < window.closes {
            let start = ContinuousClock.now
            do {
                try await lane.send(message) { result in
                    let end = ContinuousClock.now
                    part.withLock { part in
                        switch result {
                        case .success: if window.counts(end) { part.complete(1, took: end - start) }
                        case .failure(let error): part.fail(error)
                        }
                    }
                }
            } catch {
                part.withLock { $0.fail(error) }
                try? await Task.sleep(for: .milliseconds(10))
            }
        }
        await lane.drain()
        return part.withLock { $0 }
    }

    private func load(_ producer: Producer, _ window: Window) async -> Measurement.Part {
        let message = message
        let messages = [Message](repeating: message, count: batch)
        var part = Measurement.Part()
        while ContinuousClock.now < window.closes {
            let start = ContinuousClock.now
            do {
                if oneWay {
                    try await producer.sendOneWay(message)
                } else if batch > 1 {
                    _ = try await producer.send(batch: messages, attempts: 1)
                } else {
                    _ = try await producer.send(message, attempts: 1)
                }
                let end = ContinuousClock.now
                if window.counts(end) { part.complete(batch, took: oneWay ? nil : end - start) }
            } catch {
                part.fail(error)
                // A refusal costs the broker little; a loop of them would measure the refusals.
                try? await Task.sleep(for: .milliseconds(10))
            }
        }
        return part
    }
}
