import ArgumentParser
import Glibc
import Histogram
import MQClient
import MQNameserver
import MQWire
import Testing

@testable import mqbench

/// `mqbench` measures what happened: held against the broker's own offsets, and against itself.
@Suite struct BenchTests {
    private func withCluster(_ body: (TestNameserver) async throws -> Void) async throws {
        let nameserver = try await TestNameserver.start()
        let broker = try await TestBroker.start(nameserver: nameserver.address)
        let client = MQConnection(configuration: .init(nameservers: [nameserver.address]))
        let admin = MQAdmin(client: client)
        #expect(try await eventually { try await admin.clusterInfo().brokers["broker-a"] != nil })
        await client.shutdown()
        try await body(nameserver)
        await broker.stop()
        await nameserver.service.shutdown()
    }

    @Test func whatIsCountedIsInTheBroker() async throws {
        try await withCluster { nameserver in
            let words = [
                "-n", nameserver.address, "-t", "load", "--concurrency", "4", "--batch", "5", "--seconds", "2",
                "--warmup", "0", "--broker-pid", "\(getpid())",
            ]
            let sent = try await ProduceCommand.parse(words).measure()
            #expect(sent.failed == 0, "\(sent.firstError ?? "")")
            #expect(sent.completed > 0 && sent.completed % 5 == 0)
            #expect(sent.latencies.totalCount * 5 == UInt64(sent.completed))
            #expect(sent.latencies.valueAtPercentile(100) > 0)
            #expect((sent.spent?.residentBytes ?? 0) > 1_000_000)

            let client = MQConnection(configuration: .init(nameservers: [nameserver.address]))
            let consumer = PullConsumer(group: "c", client: client)
            var stored: Int64 = 0
            for queue in try await consumer.queues(for: "load") { stored += try await consumer.maxOffset(of: queue) }
            // One message makes the topic; what ended after the window is there and not counted.
            #expect(stored >= Int64(sent.completed) + 1)
            #expect(stored <= Int64(sent.completed) + 1 + 4 * 5)

            let read = try await ConsumeCommand.parse(
                ["-n", nameserver.address, "-t", "load", "--seconds", "2", "--warmup", "0"]
            ).measure()
            #expect(read.failed == 0 && read.completed > 0)
            await consumer.shutdown()
            await client.shutdown()
        }
    }

    @Test func aBrokerThatIsNotThereIsSaidInOneLine() async throws {
        let command = try ProduceCommand.parse(["-n", "127.0.0.1:1", "--seconds", "0.1", "--warmup", "0"])
        await #expect(throws: ExitCode.failure) { try await command.measure() }
    }

    @Test(arguments: [["--bare"], []]) func theWireIsMeasured(_ words: [String]) async throws {
        let command = try EchoCommand.parse(
            words + ["--seconds", "4", "--warmup", "0.05", "--in-flight", "8", "--json"])
        let measurement = try await command.measure()
        #expect(measurement.completed > 0 && measurement.failed == 0)
        #expect(measurement.json["messages"]?.integerValue == Int64(measurement.completed))
        #expect(measurement.json["bare"]?.boolValue == !words.isEmpty)
    }

    @Test func onlyWhatEndsInTheWindowCounts() throws {
        let start = ContinuousClock.now
        let window = Window(try RunOptions.parse(["--seconds", "2", "--warmup", "1"]), from: start)
        for (seconds, counts) in [(0.9, false), (1.0, true), (2.9, true), (3.0, false)] {
            #expect(window.counts(start + .seconds(seconds)) == counts, "\(seconds)")
        }
    }

    @Test(arguments: [["--seconds", "0"], ["--concurrency", "0"], ["--batch", "0"], ["--one-way", "--batch", "2"]])
    func nonsenseIsRefused(_ words: [String]) {
        #expect(throws: (any Error).self) { try ProduceCommand.parse(words) }
    }
}
