public import Logging
public import MQTransport
public import MQWire
public import NIOCore
import NIOPosix
import Synchronization

/// A running nameserver: the shell around ``NameserverRequests`` that has a port, a clock and a log.
public final class NameserverService: RemotingRequestHandler {
    private let configuration: NameserverConfiguration
    private let group: any EventLoopGroup
    private let logger: Logger
    private let security: (any ServerSecurity)?
    private let requests: Mutex<NameserverRequests>
    private let running = Mutex<Running?>(nil)
    /// One thread, so that a newer state of the key-value store is never overtaken by an older one.
    private let diskThread = NIOThreadPool(numberOfThreads: 1)
    /// Changes the tables, one after the other: whoever registers and leaves must have left in the end.
    private let tables = RequestThread()
    /// Makes long answers.
    private let lists = RequestThread()

    private struct Running {
        let server: RemotingServer
        var scan: RepeatedTask
        var brokerExpiry: Duration
    }

    /// A nameserver that does not listen yet.
    public init(
        configuration: NameserverConfiguration, group: any EventLoopGroup, logger: Logger,
        security: (any ServerSecurity)? = nil
    ) {
        self.security = security
        self.configuration = configuration
        requests = Mutex(NameserverRequests(configuration: configuration))
        self.group = group
        self.logger = logger
    }

    /// Listens; gives the address, with the real port.
    ///
    /// Throws ``TransportError/bindFailed(address:reason:)``, or an error that names the key-value store's file.
    @discardableResult
    public func start() async throws -> SocketAddress {
        if let file = configuration.keyValueFile.map({ KeyValueFile(path: $0) }) {
            let saved = try file.load()
            requests.withLock { $0 = NameserverRequests(configuration: configuration, savedKeyValues: saved) }
        }
        // A broker that may be silent for long must not lose its connection, and with it its routes, before that.
        let idleTimeout = max(.seconds(120), configuration.brokerExpiry)
        let server = RemotingServer(
            configuration: .init(
                host: configuration.bindAddress, port: configuration.listenPort,
                limits: ConnectionLimits(idleTimeout: idleTimeout, closesSilentConnections: false),
                budget: ByteBudget(limitBytes: configuration.connectionBufferBytes), security: security),
            group: group, logger: logger, handler: self)
        // Before the first request comes.
        tables.start()
        lists.start()
        diskThread.start()
        let address: SocketAddress
        do { address = try await server.start() } catch {
            await stopThreads()
            throw error
        }
        let scan = scan(every: configuration.scanInterval)
        running.withLock { $0 = Running(server: server, scan: scan, brokerExpiry: configuration.brokerExpiry) }
        return address
    }

    private func scan(every interval: Duration) -> RepeatedTask {
        let interval = TimeAmount(interval)
        return group.next().scheduleRepeatedTask(initialDelay: interval, delay: interval) { [self] _ in
            tables.perform { [self] in expireSilentBrokers() }
        }
    }

    /// Goes on with changed settings.
    private func apply(_ changed: NameserverConfiguration) {
        let scan = scan(every: changed.scanInterval)
        let old = running.withLock { running in
            let old = running?.scan
            running?.scan = scan
            running?.brokerExpiry = changed.brokerExpiry
            return running == nil ? scan : old
        }
        old?.cancel()
        logger.info("settings changed", metadata: ["settings": "\(changed.text.split(separator: "\n"))"])
    }

    /// How long a stop waits for answers that wait for the disk.
    private static let savePatience = Duration.seconds(2)

    /// Closes the port and all connections.
    public func shutdown() async {
        let running = running.withLock { running in
            defer { running = nil }
            return running
        }
        guard let running else { return }
        running.scan.cancel()
        await running.server.shutdown(patience: Self.savePatience)
        await stopThreads()
    }

    private func stopThreads() async {
        await tables.stop()
        await lists.stop()
        try? await diskThread.shutdownGracefully()
    }

    /// What is known at this moment; for tests and for shells that print it.
    public var clusterInfo: ClusterInfo { requests.withLock { $0.routes.clusterInfo } }

    /// Answers: what is a look-up on the event loop, all else on threads of its own.
    public func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
        let now = ContinuousClock.now
        let number = connection.id
        var request = request
        switch NameserverRequests.worker(of: request) {
        case .loop:
            answer(NameserverRequests.Prepared(request), of: number, now: now, reply: reply)
        case .tables:
            // The body is a slice of the read buffer, which is read into again meanwhile.
            request.body = request.body.map { ByteBuffer(bytes: $0.readableBytesView) }
            reply.produce(on: tables) { [self, request] turn in
                guard turn == .work else { return }
                answer(NameserverRequests.Prepared(request), of: number, now: now, reply: reply)
            }
        case .lists:
            request.body = nil
            reply.produce(on: lists) { [self, request] turn in
                guard turn == .work else { return }
                var picture = requests.withLock { $0 }
                reply.send(picture.answer(request, connection: number, now: now).response)
            }
        }
    }

    private func answer(
        _ request: NameserverRequests.Prepared, of connection: UInt64, now: ContinuousClock.Instant,
        reply: RemotingReply
    ) {
        let (response, event) = requests.withLock { $0.answer(request, connection: connection, now: now) }
        switch event {
        case .brokerJoined(let address, let name):
            logger.info("broker joined", metadata: ["broker": "\(name)", "address": "\(address)"])
        case .brokerLeft(let address, let name):
            logger.info("broker left", metadata: ["broker": "\(name)", "address": "\(address)"])
        case .keyValuesChanged(let table): return save(table, then: response, reply: reply)
        case .settingsChanged(let changed): apply(changed)
        case nil: break
        }
        reply.send(response)
    }

    /// Answers once the key-value store is on the disk.
    private func save(_ table: KeyValueStore, then response: RemotingCommand, reply: RemotingReply) {
        guard let file = configuration.keyValueFile.map({ KeyValueFile(path: $0) }) else { return reply.send(response) }
        diskThread.submit { [logger] _ in
            do throws(KeyValueFile.Trouble) {
                try file.save(table.json)
                reply.send(response)
            } catch {
                logger.error("the key-value store could not be saved", metadata: ["error": "\(error)"])
                reply.send(.systemError, remark: error.description)
            }
        }
    }

    /// Drops the brokers that registered through the connection.
    public func connectionClosed(_ connection: RemotingConnection) {
        // Behind what it has said before.
        tables.perform { [self] in
            for departure in requests.withLock({ $0.connectionClosed(connection.id) }) {
                logger.info(
                    "broker dropped: its connection closed",
                    metadata: ["broker": "\(departure.brokerName)", "address": "\(departure.brokerAddress)"])
            }
        }
    }

    private func expireSilentBrokers() {
        guard let (server, expiry) = running.withLock({ $0.map { ($0.server, $0.brokerExpiry) } }) else { return }
        let departures = requests.withLock { $0.expire(after: expiry, now: .now) }
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
