import ArgumentParser
import Glibc
import Logging
import MQNameserver
import MQProgram
import MQTLS
import MQTransport
import NIOCore
import NIOPosix
import UnixSignals

/// `mqnamesrv`: parses, starts the service, waits for a signal.
@main
struct NameserverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mqnamesrv",
        abstract: "Runs a nameserver that speaks RocketMQ's 4.x remoting protocol.",
        discussion: "It listens until SIGTERM or SIGINT; SIGHUP is ignored.",
        version: ProgramVersion.text)

    @Option(name: [.customShort("c"), .customLong("config")], help: "A .properties file with RocketMQ's keys.")
    var configFile: String?

    @Option(name: .shortAndLong, help: "The port to listen on (default 9876, or the file's listenPort).")
    var port: Int?

    @Option(help: "The least severe log level that is written: debug, info, warning or error.")
    var logLevel: LogLevel = .info

    func validate() throws {
        guard let port else { return }
        guard (0...65535).contains(port) else {
            throw ValidationError("--port \(port) is no port (expected 0 to 65535)")
        }
    }

    static func main() async { await ProgramLine.run(Self.self) }

    func run() async throws {
        // Writing to a pipe whose reader has gone must not end the daemon.
        signal(SIGPIPE, SIG_IGN)
        do {
            try await serve()
        } catch {
            Console.complain("mqnamesrv: \(error)")
            throw ExitCode.failure
        }
    }

    private func serve() async throws {
        var settings = Settings(
            file: try configFile.map { (path) throws(ConfigurationError) in try PropertiesFile(contentsOf: path) },
            commandLine: port.map { ["listenPort": String($0)] } ?? [:])
        let configuration = try NameserverConfiguration(settings: &settings)
        let security = try TLSServer(settings: &settings)
        for warning in settings.unknownKeyWarnings(ignoring: NameserverConfiguration.ignoredKeys) {
            Console.complain("mqnamesrv: \(warning)")
        }

        var logger = Logger(label: "mqnamesrv", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = logLevel.level
        logger.info("files that may be open", metadata: ["limit": "\(FileLimit.raise())"])
        let group = MultiThreadedEventLoopGroup(numberOfThreads: configuration.threads)
        let service = NameserverService(
            configuration: configuration, group: group, logger: logger, security: security)
        // Trapped before the port opens: whoever sees the line below may signal at once.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        let address = try await service.start()
        Console.print("mqnamesrv listening on \(address.hostPort)")
        for await signal in signals where signal != .sighup { break }
        await service.shutdown()
        try await group.shutdownGracefully()
    }
}
