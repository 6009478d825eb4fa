import ArgumentParser
import Glibc
import MQClient
import MQTransport
import MQWire

/// `mqbench consume`: reads what is there, or what comes.
struct ConsumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consume", abstract: "Reads a topic's queues as fast as it may.",
        discussion: """
            Each task reads the queues of its share in turn. Without --follow it begins at the first message and, at the
            end, again; with it, it begins at the end, waits for messages, and the latency is from a message's birth.

            Example: mqbench consume -n 127.0.0.1:9876 --concurrency 4
            """)

    @OptionGroup var target: TargetOptions
    @OptionGroup var options: RunOptions

    @Option(help: "Messages asked for at once.")
    var batch = 32

    @Flag(help: "Wait for new messages, and tell how long each took from its birth.")
    var follow = false

    func validate() throws {
        guard (1...1024).contains(batch) else {
            throw ValidationError("--batch \(batch) is out of range (expected 1 to 1024)")
        }
    }

    func run() async throws { try options.report(try await measure()) }

    /// The run, without a word to anybody.
    func measure() async throws -> Measurement {
        let clients = (0..<target.clients).map { _ in
            MQConnection(configuration: .init(nameservers: target.nameservers, threads: 1))
        }
        let consumers = clients.map { PullConsumer(group: "mqbench", client: $0) }
        let queues: [MessageQueue]
        do {
            queues = try await consumers[0].queues(for: target.topic)
            for consumer in consumers.dropFirst() { _ = try await consumer.queues(for: target.topic) }
        } catch {
            Console.complain("mqbench: \(error)")
            throw ExitCode.failure
        }
        let window = Window(options)
        async let spent = window.meter(options.brokerPid)
        // A queue has one reader, as in a consumer group.
        let parts = await withTaskGroup(of: Measurement.Part.self) { group in
            for (index, queue) in queues.enumerated() {
                group.addTask { await read(queue, by: consumers[index % consumers.count], window) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let settings = [
            JSONMember("queues", .integer(Int64(queues.count))), JSONMember("clients", .integer(Int64(target.clients))),
            JSONMember("batch", .integer(Int64(batch))), JSONMember("follow", .bool(follow)),
        ]
        let measurement = Measurement(
            name: "consume", settings: settings, window: window, parts: parts, spent: await spent)
        for consumer in consumers { await consumer.shutdown() }
        for client in clients { await client.shutdown() }
        return measurement
    }

    private func read(_ queue: MessageQueue, by consumer: PullConsumer, _ window: Window) async -> Measurement.Part {
        var part = Measurement.Part()
        var offset: Int64?
        while ContinuousClock.now < window.closes {
            do {
                var from = offset ?? 0
                if offset == nil {
                    from = try await follow ? consumer.maxOffset(of: queue) : consumer.minOffset(of: queue)
                }
                let pulled = try await consumer.pull(
                    queue, from: from, max: Int32(batch), hold: follow ? .seconds(1) : .zero)
                let end = ContinuousClock.now
                if window.counts(end) { count(pulled.messages, in: &part) }
                offset = pulled.nextOffset
                guard pulled.messages.isEmpty else { continue }
                if follow || pulled.maxOffset > pulled.nextOffset { continue }
                offset = nil
                if pulled.maxOffset == pulled.minOffset { try await Task.sleep(for: .milliseconds(10)) }
            } catch {
                part.fail(error)
                try? await Task.sleep(for: .milliseconds(10))
            }
        }
        return part
    }

    private func count(_ messages: [ReceivedMessage], in part: inout Measurement.Part) {
        guard follow else { return part.complete(messages.count, took: nil) }
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let now = Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
        for message in messages { part.complete(1, took: .milliseconds(max(0, now - message.bornTimestamp))) }
    }
}
