import ArgumentParser
import Glibc
import Logging
import MQBroker
import MQProgram
import MQTLS
import MQTransport
import NIOCore
import NIOPosix
import UnixSignals

/// `mqbroker`: parses, starts the service, waits for a signal.
@main
struct BrokerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mqbroker",
        abstract: "Runs a broker that speaks RocketMQ's 4.x remoting protocol.",
        discussion: "It serves until SIGTERM or SIGINT; SIGHUP is ignored.",
        version: ProgramVersion.text)

    @Option(name: [.customShort("c"), .customLong("config")], help: "A .properties file with RocketMQ's keys.")
    var configFile: String?

    @Option(name: [.customShort("n"), .customLong("namesrvAddr")], help: "The nameservers, host:port;host:port.")
    var nameservers: String?

    @Option(help: "The least severe log level that is written: debug, info, warning or error.")
    var logLevel: LogLevel = .info

    static func main() async { await ProgramLine.run(Self.self) }

    func run() async throws {
        // Writing to a pipe whose reader has gone must not end the daemon.
        signal(SIGPIPE, SIG_IGN)
        do {
            try await serve()
        } catch {
            Console.complain("mqbroker: \(error)")
            throw ExitCode.failure
        }
    }

    private func serve() async throws {
        var settings = Settings(
            file: try configFile.map { (path) throws(ConfigurationError) in try PropertiesFile(contentsOf: path) },
            commandLine: nameservers.map { ["namesrvAddr": $0] } ?? [:])
        let configuration = try BrokerConfiguration(settings: &settings)
        let serverSecurity = try TLSServer(settings: &settings)
        let clientSecurity = try TLSClient(settings: &settings)
        for warning in settings.unknownKeyWarnings(ignoring: BrokerConfiguration.ignoredKeys) {
            Console.complain("mqbroker: \(warning)")
        }
        if configuration.nameservers.isEmpty {
            Console.complain(
                "mqbroker: no nameserver is named, so clients will not find this broker "
                    + "(set namesrvAddr in the file of -c, or -n host:port)")
        }
        let files = FileLimit.raise()

        var logger = Logger(label: "mqbroker", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = logLevel.level
        logger.info(
            "the broker starts",
            metadata: [
                "flush": "\(configuration.flushDiskType.rawValue)", "role": "\(configuration.role.rawValue)",
                "segmentBytes": "\(configuration.segmentBytes)", "openFilesAtMost": "\(files)",
            ])
        let group = MultiThreadedEventLoopGroup(numberOfThreads: configuration.threads)
        let service = BrokerService(
            configuration: configuration, group: group, logger: logger, serverSecurity: serverSecurity,
            clientSecurity: clientSecurity)
        // Trapped before the port opens: whoever sees the line below may signal at once.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        let address = try await service.start()
        let store = absolutePath("\(configuration.storeRoot)")
        Console.print("mqbroker \(configuration.brokerName) listening on \(address.hostPort), store in \(store)")
        // A broker that could not start anew serves nobody: whoever supervises it sees that it ended.
        Task {
            for await error in service.failures {
                Console.complain("mqbroker: \(error)")
                Glibc.exit(EXIT_FAILURE)
            }
        }
        for await signal in signals where signal != .sighup { break }
        await service.shutdown()
        try await group.shutdownGracefully()
    }

    /// Where a path leads; the path itself when it leads nowhere.
    private func absolutePath(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
}
