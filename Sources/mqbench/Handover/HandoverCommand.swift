import ArgumentParser
import MQClient
import MQProgram
import MQTransport
import MQWire

/// `mqbench handover`: an operator's change of the master, as senders see it.
struct HandoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "handover",
        abstract: "Moves a group's master from broker to broker under load.",
        discussion: """
            Tells how long nobody was acknowledged around each hand-over, and whether a \
            message was lost or is there twice. The status is 2 when one was. \
             'seatrial deploy m6-sync' makes such a group.

            Example: mqbench handover -n 127.0.0.1:9876 --broker-name broker-a --times 30
            """)

    @Option(
        name: [.customShort("n"), .customLong("nameserver"), .customLong("namesrvAddr")],
        help: "The nameservers, host:port;host:port.")
    var nameserver = "127.0.0.1:9876"
    @Option(help: "The group, by its brokers' name.") var brokerName: String
    @Option(help: "How often the master is moved.") var times = 30
    @Option(help: "Tasks that send, each one message behind the other.") var concurrency = 8
    @Option(help: "Milliseconds from one hand-over to the next.") var pause = 1000
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
        guard (1...10_000).contains(times) else {
            throw ValidationError("--times \(times) is out of range (expected 1 to 10000)")
        }
        guard (1...4096).contains(concurrency) else {
            throw ValidationError("--concurrency \(concurrency) is out of range (expected 1 to 4096)")
        }
        guard (100...600_000).contains(pause) else {
            throw ValidationError("--pause \(pause) is out of range (expected 100 to 600000 milliseconds)")
        }
    }

    func run() async throws {
        let nameservers = nameserver.split { $0 == ";" || $0 == "," }.map(String.init)
        let client = MQConnection(configuration: .init(nameservers: nameservers, threads: 1))
        let outcome: Result<HandoverOutcome, any Error>
        do {
            let run = HandoverRun(
                client: client, brokerName: brokerName, times: times, concurrency: concurrency,
                pause: .milliseconds(pause))
            outcome = .success(try await run.measure())
        } catch { outcome = .failure(error) }
        await client.shutdown()
        switch outcome {
        case .failure(let error):
            Console.complain("mqbench: \(error)")
            throw ExitCode.failure
        case .success(let outcome):
            print(json ? outcome.json.text : outcome.text)
            if !outcome.isClean { throw RunOptions.someFailed }
        }
    }
}
