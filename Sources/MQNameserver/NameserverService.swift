public import Logging
public import MQTransport
public import MQWire
public import NIOCore
import Synchronization

/// A running nameserver: the shell around ``NameserverRequests`` that has a port, a clock and a log.
public final class NameserverService: RemotingRequestHandler {
    private let configuration: NameserverConfiguration
    private let group: any EventLoopGroup
    private let logger: Logger
    private let requests = Mutex(NameserverRequests())
    private let running = Mutex<Running?>(nil)

    private struct Running {
        let server: RemotingServer
        let scan: RepeatedTask
    }

    /// A nameserver that does not listen yet.
    public init(configuration: NameserverConfiguration, group: any EventLoopGroup, logger: Logger) {
        self.configuration = configuration
        self.group = group
        self.logger = logger
    }

    /// Listens; gives the address, with the real port. Throws ``TransportError/bindFailed(address:reason:)``.
    @discardableResult
    public func start() async throws(TransportError) -> SocketAddress {
        // A broker that may be silent for long must not lose its connection, and with it its routes, before that.
        let idleTimeout = max(.seconds(120), configuration.brokerExpiry)
        let server = RemotingServer(
            configuration: .init(
                host: configuration.bindAddress, port: configuration.listenPort,
                limits: ConnectionLimits(idleTimeout: idleTimeout, closesSilentConnections: false),
                budget: ByteBudget(limitBytes: configuration.connectionBufferBytes)),
            group: group, logger: logger, handler: self)
        let address = try await server.start()
        let interval = TimeAmount(configuration.scanInterval)
        let scan = group.next().scheduleRepeatedTask(initialDelay: interval, delay: interval) { [self] _ in
            expireSilentBrokers(server: server)
        }
        running.withLock { $0 = Running(server: server, scan: scan) }
        return address
    }

    /// Closes the port and all connections.
    public func shutdown() async {
        let running = running.withLock { running in
            defer { running = nil }
            return running
        }
        running?.scan.cancel()
        await running?.server.shutdown()
    }

    /// What is known at this moment; for tests and for shells that print it.
    public var clusterInfo: ClusterInfo { requests.withLock { $0.routes.clusterInfo } }

    /// Answers on the event loop: every answer is a look-up in memory.
    public func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
        let (response, event) = requests.withLock {
            $0.answer(request, connection: connection.id, now: .now)
        }
        switch event {
        case .brokerJoined(let address, let name):
            logger.info("broker joined", metadata: ["broker": "\(name)", "address": "\(address)"])
        case .brokerLeft(let address, let name):
            logger.info("broker left", metadata: ["broker": "\(name)", "address": "\(address)"])
        case nil: break
        }
        reply.send(response)
    }

    /// Drops the brokers that registered through the connection.
    public func connectionClosed(_ connection: RemotingConnection) {
        for departure in requests.withLock({ $0.connectionClosed(connection.id) }) {
            logger.info(
                "broker dropped: its connection closed",
                metadata: ["broker": "\(departure.brokerName)", "address": "\(departure.brokerAddress)"])
        }
    }

    private func expireSilentBrokers(server: RemotingServer) {
        let departures = requests.withLock { $0.expire(after: configuration.brokerExpiry, now: .now) }
        guard !departures.isEmpty else { return }
        let gone = Set(departures.map(\.connection))
        for connection in server.connections where gone.contains(connection.id) { connection.close() }
        for departure in departures {
            logger.warning(
                "broker dropped: silent for too long",
                metadata: ["broker": "\(departure.brokerName)", "address": "\(departure.brokerAddress)"])
        }
    }
}
