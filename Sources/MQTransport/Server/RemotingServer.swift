import Glibc
public import Logging
public import NIOCore
import NIOPosix
import Synchronization

/// A listening port and the connections that came through it.
public final class RemotingServer: Sendable {
    /// Where to listen, and the limits.
    public struct Configuration: Sendable {
        /// The address to listen on; `0.0.0.0` for all.
        public var host: String
        /// The port; 0 lets the system choose.
        public var port: Int
        /// Connections at most, as far as the process may open files; one more is closed at once.
        public var connectionLimit: Int
        /// Connections that may wait to be accepted.
        public var backlog: Int32
        /// The limits of each connection.
        public var limits: ConnectionLimits
        /// What all connections may hold together; the ports of one daemon share it.
        public var budget: ByteBudget
        /// What secures connections; `nil` for nothing.
        public var security: (any ServerSecurity)?

        /// The defaults, for a port.
        public init(
            host: String = "0.0.0.0", port: Int, connectionLimit: Int = 65_536, backlog: Int32 = 1024,
            limits: ConnectionLimits = ConnectionLimits(closesSilentConnections: false),
            budget: ByteBudget = ByteBudget(), security: (any ServerSecurity)? = nil
        ) {
            self.security = security
            self.host = host
            self.port = port
            self.connectionLimit = connectionLimit
            self.backlog = backlog
            self.limits = limits
            self.budget = budget
        }
    }

    private struct State {
        var listener: (any Channel)?
        var connections: [UInt64: RemotingConnection] = [:]
        var isShutDown = false
    }

    private let configuration: Configuration
    private let connectionLimit: Int
    private let group: any EventLoopGroup
    private let handler: any RemotingRequestHandler
    private let logger: Logger
    private let state = Mutex(State())

    /// A server that does not listen yet.
    public init(
        configuration: Configuration, group: any EventLoopGroup, logger: Logger,
        handler: any RemotingRequestHandler
    ) {
        self.configuration = configuration
        connectionLimit = min(configuration.connectionLimit, Self.openableConnections)
        self.group = group
        self.logger = logger
        self.handler = handler
    }

    /// Listens, and gives the bound address, whose port is the real one if 0 was asked for.
    ///
    /// Throws ``TransportError/bindFailed(address:reason:)`` with a reason that says what to do.
    @discardableResult
    public func start() async throws(TransportError) -> SocketAddress {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: configuration.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.writeBufferWaterMark, value: ConnectionLimits.waterMark)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.initialize(channel) }
            }
        let place = HostPort(host: configuration.host, port: configuration.port).description
        let listener: any Channel
        do {
            listener = try await bootstrap.bind(host: configuration.host, port: configuration.port).get()
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw .bindFailed(
                address: place,
                reason: "port \(configuration.port) is taken (stop the process that has it, or choose another port)")
        } catch let error as IOError where error.errnoCode == EACCES {
            throw .bindFailed(
                address: place, reason: "port \(configuration.port) needs root (choose one from 1024 on)")
        } catch let error as IOError where error.errnoCode == EADDRNOTAVAIL {
            throw .bindFailed(address: place, reason: "this host has no address \(configuration.host)")
        } catch {
            throw .bindFailed(address: place, reason: "\(error)")
        }
        guard let address = listener.localAddress else {
            throw .bindFailed(address: place, reason: "the socket was closed at once")
        }
        state.withLock { $0.listener = listener }
        return address
    }

    /// The connections that are up.
    public var connections: [RemotingConnection] { state.withLock { Array($0.connections.values) } }

    /// Stops listening, waits until what was asked is answered, and closes all connections behind the last answers.
    ///
    /// - Parameter patience: how long answers are waited for; a connection without unanswered requests ends at once.
    public func shutdown(patience: Duration = .zero) async {
        let (listener, connections) = state.withLock { state in
            state.isShutDown = true
            defer { state.listener = nil }
            return (state.listener, Array(state.connections.values))
        }
        // Closing what is closed already is no failure here.
        try? await listener?.close().get()
        let closes = connections.map { $0.drain(patience: TimeAmount(patience)) }
        for close in closes { try? await close.get() }
    }

    /// Seven eighths of the files that this process may open; the rest is for all else.
    ///
    /// Without a file left the system refuses to accept, for everybody, and says so to nobody; a limit is told to the one
    /// who is too many, and logged.
    private static var openableConnections: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max }
        let files = Int(clamping: limit.rlim_cur)
        return files - files / 8
    }

    private func initialize(_ channel: any Channel) throws {
        try configuration.security?.secure(channel)
        try ConnectionHandler.install(
            on: channel, limits: configuration.limits, budget: configuration.budget, requestHandler: handler,
            logger: logger,
            opened: { self.opened($0) },
            closed: { connection in self.state.withLock { _ = $0.connections.removeValue(forKey: connection.id) } })
    }

    private func opened(_ connection: RemotingConnection) {
        let isWelcome = state.withLock { state in
            guard !state.isShutDown, state.connections.count < connectionLimit else { return false }
            state.connections[connection.id] = connection
            return true
        }
        guard !isWelcome else { return }
        logger.warning(
            "refusing a connection: limit reached or shutting down",
            metadata: ["peer": "\(connection.remoteAddress)", "limit": "\(connectionLimit)"])
        connection.close()
    }
}
