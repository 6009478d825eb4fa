import Glibc
public import Logging
public import MQWire
public import NIOCore
import NIOPosix
import Synchronization

/// Connections to servers, one for each address, made when first needed and again when lost.
public final class RemotingClient: Sendable {
    /// Times and limits.
    public struct Configuration: Sendable {
        /// How long a connection may take to come about.
        public var connectTimeout: Duration
        /// The limits of each connection.
        public var limits: ConnectionLimits
        /// What secures connections; `nil` for nothing.
        public var security: (any ClientSecurity)?

        /// The defaults.
        public init(
            connectTimeout: Duration = .seconds(3), limits: ConnectionLimits = ConnectionLimits(),
            security: (any ClientSecurity)? = nil
        ) {
            self.security = security
            self.connectTimeout = connectTimeout
            self.limits = limits
        }
    }

    /// How far the connection to an address is. `connecting` → `connected`, or gone on failure; `connected` → gone.
    private enum Slot {
        case connecting(EventLoopPromise<RemotingConnection>)
        case connected(RemotingConnection)
    }

    private struct State {
        var slots: [String: Slot] = [:]
        var isShutDown = false
    }

    private let configuration: Configuration
    private let group: any EventLoopGroup
    private let requestHandler: (any RemotingRequestHandler)?
    private let logger: Logger
    private let state = Mutex(State())

    /// A client without connections. `requestHandler` gets what servers push; without one it is refused.
    public init(
        configuration: Configuration = Configuration(), group: any EventLoopGroup, logger: Logger,
        requestHandler: (any RemotingRequestHandler)? = nil
    ) {
        self.configuration = configuration
        self.group = group
        self.logger = logger
        self.requestHandler = requestHandler
    }

    /// Sends a request and waits for the answer. Throws what ``TransportError`` tells; connecting counts towards the
    /// time.
    public func call(
        _ request: RemotingCommand, to address: String, timeout: Duration
    ) async throws(TransportError) -> RemotingCommand {
        try requireRunning(address)
        return try await Self.typed(future(request, to: address, timeout: timeout), address: address)
    }

    /// Sends a one-way request; returns once it is on its way through an open connection.
    public func notify(_ request: RemotingCommand, to address: String) async throws(TransportError) {
        try requireRunning(address)
        let connection = try await Self.typed(connection(to: address), address: address)
        guard connection.notify(request) else {
            throw .notSent(address: address, reason: "the connection is closed")
        }
    }

    /// As ``call(_:to:timeout:)``, for event loops; fails with ``TransportError`` only.
    public func future(
        _ request: RemotingCommand, to address: String, timeout: Duration
    ) -> EventLoopFuture<RemotingCommand> {
        if let connection = openConnection(to: address) { return connection.call(request, timeout: timeout) }
        let deadline = NIODeadline.now() + TimeAmount(timeout)
        let connecting = connection(to: address)
        let promise = connecting.eventLoop.makePromise(of: RemotingCommand.self)
        // Past its deadline the request is not sent even if the connection comes about, see `RemotingConnection`.
        let alarm = connecting.eventLoop.scheduleTask(deadline: deadline) {
            promise.fail(TransportError.connectFailed(address: address, reason: "no connection within \(timeout)"))
        }
        connecting.whenComplete { result in
            alarm.cancel()
            switch result {
            case .success(let connection):
                connection.call(request, timeout: timeout, deadline: deadline).cascade(to: promise)
            case .failure(let error): promise.fail(error)
            }
        }
        return promise.futureResult
    }

    /// The connection to an address, made if need be; fails with ``TransportError`` only.
    public func connection(to address: String) -> EventLoopFuture<RemotingConnection> {
        let target: HostPort
        do throws(TransportError) {
            target = try HostPort(address)
        } catch {
            return group.any().makeFailedFuture(error)
        }
        let promise = group.next().makePromise(of: RemotingConnection.self)
        enum Step {
            case wait(EventLoopFuture<RemotingConnection>)
            case have(RemotingConnection)
            case connect
            case refuse
        }
        let step: Step = state.withLock { state in
            guard !state.isShutDown else { return .refuse }
            switch state.slots[address] {
            case .connecting(let earlier): return .wait(earlier.futureResult)
            case .connected(let connection) where connection.isOpen: return .have(connection)
            case .connected, nil:
                state.slots[address] = .connecting(promise)
                return .connect
            }
        }
        switch step {
        case .wait(let future): future.cascade(to: promise)
        case .have(let connection): promise.succeed(connection)
        case .refuse: promise.fail(TransportError.notSent(address: address, reason: "the client is shut down"))
        case .connect: connect(to: target, address: address, promise: promise)
        }
        return promise.futureResult
    }

    /// Calls `body` once the connection to an address has ended; at once when there is none.
    public func whenLost(_ address: String, _ body: @escaping @Sendable () -> Void) {
        guard let connection = openConnection(to: address) else { return body() }
        connection.whenClosed(body)
    }

    /// Closes the connection to an address, if there is one; calls in flight fail as lost.
    public func disconnect(from address: String) { openConnection(to: address)?.close() }

    /// Writes what is ready, closes all connections, and refuses further calls.
    ///
    /// What still waits for a connection fails as not sent, at once.
    public func shutdown() async {
        let slots = state.withLock { state in
            state.isShutDown = true
            return Array(state.slots)
        }
        for (address, slot) in slots {
            if case .connecting(let promise) = slot {
                promise.fail(TransportError.notSent(address: address, reason: "the client is shut down"))
            }
        }
        for case (_, .connected(let connection)) in slots {
            // A connection that has closed meanwhile is what was wanted.
            try? await connection.closeAfterSweep().get()
        }
    }

    /// Keeps late callers away from event loops that may have ended with this client.
    private func requireRunning(_ address: String) throws(TransportError) {
        guard !state.withLock({ $0.isShutDown }) else {
            throw .notSent(address: address, reason: "the client is shut down")
        }
    }

    private func openConnection(to address: String) -> RemotingConnection? {
        state.withLock { state in
            guard case .connected(let connection) = state.slots[address], connection.isOpen else { return nil }
            return connection
        }
    }

    private func connect(to target: HostPort, address: String, promise: EventLoopPromise<RemotingConnection>) {
        let bootstrap = ClientBootstrap(group: group)
            .connectTimeout(TimeAmount(configuration.connectTimeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: ConnectionLimits.waterMark)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try self.configuration.security?.secure(channel, host: target.host)
                    try ConnectionHandler.install(
                        on: channel, limits: self.configuration.limits, budget: nil,
                        requestHandler: self.requestHandler,
                        logger: self.logger,
                        opened: { connection in
                            let isWanted = self.state.withLock { state in
                                guard !state.isShutDown else { return false }
                                state.slots[address] = .connected(connection)
                                return true
                            }
                            if isWanted { promise.succeed(connection) } else { connection.close() }
                        },
                        closed: { self.forget($0, address: address) },
                        awaitsHandshake: self.configuration.security != nil,
                        failed: { error in
                            let reason =
                                self.configuration.security?.reason(for: error)
                                ?? error.map { "\($0)" } ?? "the peer closed the connection"
                            self.giveUp(address, promise, reason)
                        })
                }
            }
        let connected =
            if let numeric = target.numericAddress {
                bootstrap.connect(to: numeric)
            } else {
                bootstrap.connect(host: target.host, port: target.port)
            }
        connected.whenSuccess { channel in
            guard self.configuration.security != nil else { return }
            // TCP alone is no connection yet: a peer that says nothing would keep everybody waiting.
            let timer = channel.eventLoop.scheduleTask(in: TimeAmount(self.configuration.connectTimeout)) {
                self.giveUp(address, promise, "no TLS within \(self.configuration.connectTimeout)")
                channel.close(promise: nil)
            }
            promise.futureResult.whenComplete { _ in timer.cancel() }
        }
        connected.whenFailure { self.giveUp(address, promise, Self.reason($0)) }
    }

    /// The connection did not come about; who waits for it hears why.
    private func giveUp(_ address: String, _ promise: EventLoopPromise<RemotingConnection>, _ reason: String) {
        state.withLock { state in
            if case .connecting(let current) = state.slots[address], current.futureResult === promise.futureResult {
                state.slots[address] = nil
            }
        }
        promise.fail(TransportError.connectFailed(address: address, reason: reason))
    }

    private func forget(_ connection: RemotingConnection, address: String) {
        state.withLock { state in
            guard case .connected(let current) = state.slots[address], current.id == connection.id else { return }
            state.slots[address] = nil
        }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as IOError where error.errnoCode == ECONNREFUSED: "connection refused (is the daemon running?)"
        case let error as IOError where error.errnoCode == EHOSTUNREACH: "no route to host"
        case let error as IOError where error.errnoCode == ENETUNREACH: "network unreachable"
        case ChannelError.connectTimeout(let time): "no connection within \(time.nanoseconds / 1_000_000) ms"
        default: "\(error)"
        }
    }

    private static func typed<Value: Sendable>(
        _ future: EventLoopFuture<Value>, address: String
    ) async throws(TransportError) -> Value {
        do {
            return try await future.get()
        } catch let error as TransportError {
            throw error
        } catch {
            // Only an event loop that is shut down fails otherwise, and then nothing was written.
            throw .notSent(address: address, reason: "\(error)")
        }
    }
}
