import ArgumentParser
import MQProgram
import MQTransport
import MQWire

/// `mqbench`: a load generator for brokers that speak RocketMQ's remoting protocol.
@main
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mqbench", abstract: "Loads a broker and measures throughput, latency and cost.",
        discussion: """
            The status is 0 when all went well, 1 when nothing could be measured, 2 when something was and some requests \
            failed.

            Example: mqbench produce -n 127.0.0.1:9876 --concurrency 64 --broker-pid $(pidof mqbroker)
            """,
        version: ProgramVersion.text,
        subcommands: [
            ProduceCommand.self, ConsumeCommand.self, HandoverCommand.self, EchoCommand.self, StoreCommand.self,
        ])

    static func main() async { await ProgramLine.run(Self.self) }
}

/// What every kind of run takes.
struct RunOptions: ParsableArguments {
    @Option(help: "How long to count, in seconds.")
    var seconds: Double = 10

    @Option(help: "How long to load before counting, in seconds.")
    var warmup: Double = 2

    @Option(help: "A process whose CPU time and memory are measured beside, such as the broker's.")
    var brokerPid: Int32?

    @Flag(help: "One JSON object.")
    var json = false

    func validate() throws {
        guard seconds > 0, seconds <= 3600 else {
            throw ValidationError("--seconds \(seconds) is out of range (expected more than 0, up to 3600)")
        }
        guard warmup >= 0, warmup <= 600 else {
            throw ValidationError("--warmup \(warmup) is out of range (expected 0 to 600)")
        }
    }

    /// The status of a run of which something failed.
    static let someFailed = ExitCode(2)

    /// Prints the outcome, and fails when nothing at all could be measured, or when some of it failed.
    func report(_ measurement: Measurement) throws {
        print(json ? measurement.json.text : measurement.text)
        guard measurement.completed > 0 else {
            Console.complain("mqbench: nothing was measured\(measurement.firstError.map { ": \($0)" } ?? "")")
            throw ExitCode.failure
        }
        guard measurement.failed == 0 else {
            Console.complain("mqbench: \(measurement.failed) requests failed beside \(measurement.completed) messages")
            throw Self.someFailed
        }
    }
}

/// Which cluster and topic.
struct TargetOptions: ParsableArguments {
    @Option(
        name: [.short, .customLong("nameserver"), .customLong("namesrvAddr")],
        help: "The nameservers, host:port;host:port; may be given several times.")
    var nameserver: [String] = ["127.0.0.1:9876"]

    /// The nameservers one by one.
    var nameservers: [String] { nameserver.flatMap { $0.split { $0 == ";" || $0 == "," }.map(String.init) } }

    @Option(name: .shortAndLong, help: "The topic; made by the first send where the broker allows it.")
    var topic = "bench"

    @Option(help: "How many client connections to each broker share the tasks.")
    var clients = 1

    @Option(help: "How many tasks work at once, each waiting for its answer.")
    var concurrency = 64

    func validate() throws {
        for address in nameservers where (try? HostPort(address)) == nil {
            throw ValidationError("'\(address)' is no address of a nameserver (expected host:port)")
        }
        guard (1...64).contains(clients) else {
            throw ValidationError("--clients \(clients) is out of range (expected 1 to 64)")
        }
        guard (1...4096).contains(concurrency) else {
            throw ValidationError("--concurrency \(concurrency) is out of range (expected 1 to 4096)")
        }
    }
}
