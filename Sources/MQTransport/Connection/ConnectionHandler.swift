import Logging
import MQWire
import NIOCore
import NIOTLS

/// The end of a connection's pipeline: requests go to the handler, answers to those who wait.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let limits: ConnectionLimits
    private let requestHandler: (any RemotingRequestHandler)?
    private let logger: Logger
    private let opened: @Sendable (RemotingConnection) -> Void
    private let closed: @Sendable (RemotingConnection) -> Void
    private let budget: ByteBudget?
    private let forming = FormingFrame()
    private var intake: FrameIntake
    /// Whether the connection is made only once its TLS is.
    private let awaitsHandshake: Bool
    /// Told when the connection ends before it was made, and why.
    private let failed: ((any Error)?) -> Void
    private var trouble: (any Error)?
    private var connection: RemotingConnection?
    /// Requests that were read while their peer did not take its answers. What one read brings, at most.
    private var waiting = CircularBuffer<IncomingFrame>()
    /// Whether somebody will look at the age of the frame in the making.
    private var isAlarmSet = false

    init(
        limits: ConnectionLimits, budget: ByteBudget?,
        requestHandler: (any RemotingRequestHandler)?, logger: Logger,
        opened: @escaping @Sendable (RemotingConnection) -> Void,
        closed: @escaping @Sendable (RemotingConnection) -> Void, awaitsHandshake: Bool,
        failed: @escaping ((any Error)?) -> Void
    ) {
        self.awaitsHandshake = awaitsHandshake
        self.failed = failed
        self.limits = limits
        self.budget = budget
        intake = FrameIntake(limitBytes: limits.frameBytes)
        self.requestHandler = requestHandler
        self.logger = logger
        self.opened = opened
        self.closed = closed
    }

    func channelActive(context: ChannelHandlerContext) {
        if !awaitsHandshake { begin(context) }
        context.fireChannelActive()
    }

    /// The connection can be used from now on.
    private func begin(_ context: ChannelHandlerContext) {
        let connection = RemotingConnection(
            channel: context.channel, limits: limits, account: budget.map { ByteAccount(budget: $0) })
        self.connection = connection
        if let account = connection.account {
            forming.changed = { bytes in account.change(by: bytes, of: connection.id) }
        }
        connection.setWaiting { [unowned self] in handleWaiting() }
        opened(connection)
        requestHandler?.connectionOpened(connection)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if let connection {
            self.connection = nil
            forming.changed = { _ in }
            connection.ended(formingBytes: forming.bytes)
            // Nobody answers them; their bytes are given back as if somebody had.
            for frame in waiting {
                _ = RemotingReply(connection: connection, request: frame.command, bytes: frame.bytes)
            }
            waiting.removeAll()
            requestHandler?.connectionClosed(connection)
            closed(connection)
        } else {
            failed(trouble)
        }
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let connection else { return }
        connection.heard()
        intake.append(unwrapInboundIn(data))
        do throws(FrameError) {
            // Handling a frame may end the connection.
            while self.connection != nil, let frame = try intake.next() {
                receive(frame, on: connection)
                // Not before its bytes are the request's.
                forming.holds(0, now: .now())
            }
        } catch {
            errorCaught(context: context, error: error)
        }
        guard self.connection != nil else { return }
        forming.holds(intake.settle(), now: .now())
    }

    private func receive(_ frame: IncomingFrame, on connection: RemotingConnection) {
        if frame.command.isResponse {
            connection.answered(frame.command)
            return
        }
        // A connection that is about to end reads on only to see its peer's end: no request of it was taken in.
        guard connection.takesRequests else { return }
        connection.readBegan()
        connection.requestBegan(bytes: frame.bytes)
        if waiting.isEmpty, connection.mayAnswer {
            handle(frame, on: connection)
        } else {
            waiting.append(frame)
        }
    }

    /// Handles requests that wait, as long as their answers find room; whether none waits any more.
    private func handleWaiting() -> Bool {
        guard let connection, !waiting.isEmpty else { return true }
        defer { requestHandler?.requestsHandled() }
        while !waiting.isEmpty {
            guard connection.mayAnswer else { return false }
            handle(waiting.removeFirst(), on: connection)
        }
        return true
    }

    private func handle(_ frame: IncomingFrame, on connection: RemotingConnection) {
        let command = frame.command
        let reply = RemotingReply(connection: connection, request: command, bytes: frame.bytes)
        if let requestHandler {
            requestHandler.handle(command, on: connection, reply: reply)
        } else {
            reply.send(command.notSupported())
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        requestHandler?.requestsHandled()
        connection?.sweep()
        watchFormingFrame(context)
        context.fireChannelReadComplete()
    }

    /// Closes the connection once a frame takes too long: one timer at most, and none while no frame is half there.
    private func watchFormingFrame(_ context: ChannelHandlerContext) {
        guard let timeout = limits.frameTimeout, let since = forming.since, !isAlarmSet else { return }
        isAlarmSet = true
        let deadline = since + TimeAmount(timeout)
        context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in
            isAlarmSet = false
            guard let connection else { return }
            if let since = forming.since, since + TimeAmount(timeout) <= .now() {
                logger.warning(
                    "closing a connection that did not finish its frame",
                    metadata: ["peer": "\(connection.remoteAddress)", "bytes": "\(forming.bytes)"])
                connection.close()
            } else {
                watchFormingFrame(context)
            }
        }
    }

    func read(context: ChannelHandlerContext) {
        if connection?.mayRead() ?? true { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        connection?.resumeReading()
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent, awaitsHandshake, connection == nil {
            begin(context)
        } else if event is IdleStateHandler.IdleStateEvent {
            logger.debug("closing an idle connection", metadata: ["peer": "\(connection?.remoteAddress ?? "")"])
            context.close(promise: nil)
        }
        if !(event is IdleStateHandler.IdleStateEvent) {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        trouble = error
        let peer = connection?.remoteAddress ?? context.remoteAddress?.hostPort ?? ""
        if let error = error as? FrameError {
            logger.warning(
                "closing a connection that sent no frame", metadata: ["peer": "\(peer)", "error": "\(error)"])
        } else if error is IOError || error is ChannelError {
            // A peer that goes away is no news.
            logger.debug("closing a connection on error", metadata: ["peer": "\(peer)", "error": "\(error)"])
        } else {
            logger.warning(
                "closing a connection that broke a rule", metadata: ["peer": "\(peer)", "error": "\(error)"])
        }
        context.close(promise: nil)
    }

    /// Builds the pipeline of either end; on the channel's event loop.
    static func install(
        on channel: any Channel, limits: ConnectionLimits, budget: ByteBudget?,
        requestHandler: (any RemotingRequestHandler)?,
        logger: Logger, opened: @escaping @Sendable (RemotingConnection) -> Void,
        closed: @escaping @Sendable (RemotingConnection) -> Void, awaitsHandshake: Bool = false,
        failed: @escaping ((any Error)?) -> Void = { _ in }
    ) throws {
        let pipeline = channel.pipeline.syncOperations
        if let idleTimeout = limits.idleTimeout {
            try pipeline.addHandler(IdleStateHandler(allTimeout: TimeAmount(idleTimeout)))
        }
        try pipeline.addHandler(
            ConnectionHandler(
                limits: limits, budget: budget, requestHandler: requestHandler, logger: logger,
                opened: opened, closed: closed, awaitsHandshake: awaitsHandshake, failed: failed))
    }
}
