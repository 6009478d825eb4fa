import Logging
import MQWire
import NIOCore

/// The end of a connection's pipeline: requests go to the handler, answers to those who wait.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = RemotingCommand
    typealias OutboundIn = RemotingCommand
    typealias OutboundOut = RemotingCommand

    private let limits: ConnectionLimits
    private let requestHandler: (any RemotingRequestHandler)?
    private let logger: Logger
    private let opened: @Sendable (RemotingConnection) -> Void
    private let closed: @Sendable (RemotingConnection) -> Void
    private var connection: RemotingConnection?

    init(
        limits: ConnectionLimits, requestHandler: (any RemotingRequestHandler)?, logger: Logger,
        opened: @escaping @Sendable (RemotingConnection) -> Void,
        closed: @escaping @Sendable (RemotingConnection) -> Void
    ) {
        self.limits = limits
        self.requestHandler = requestHandler
        self.logger = logger
        self.opened = opened
        self.closed = closed
    }

    func channelActive(context: ChannelHandlerContext) {
        let connection = RemotingConnection(channel: context.channel, limits: limits)
        self.connection = connection
        opened(connection)
        requestHandler?.connectionOpened(connection)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if let connection {
            self.connection = nil
            connection.ended()
            requestHandler?.connectionClosed(connection)
            closed(connection)
        }
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let connection else { return }
        let command = unwrapInboundIn(data)
        connection.heard()
        if command.isResponse {
            connection.answered(command)
            return
        }
        connection.readBegan()
        connection.requestBegan()
        let reply = RemotingReply(connection: connection, request: command)
        if let requestHandler {
            requestHandler.handle(command, on: connection, reply: reply)
        } else {
            reply.send(command.notSupported())
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        connection?.sweep()
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if connection?.mayRead() ?? true { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        connection?.resumeReading()
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            logger.debug("closing an idle connection", metadata: ["peer": "\(connection?.remoteAddress ?? "")"])
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let peer = connection?.remoteAddress ?? ""
        if let error = error as? FrameError {
            logger.warning(
                "closing a connection that sent no frame", metadata: ["peer": "\(peer)", "error": "\(error)"])
        } else {
            logger.debug("closing a connection on error", metadata: ["peer": "\(peer)", "error": "\(error)"])
        }
        context.close(promise: nil)
    }

    /// Builds the pipeline of either end; on the channel's event loop.
    static func install(
        on channel: any Channel, limits: ConnectionLimits, requestHandler: (any RemotingRequestHandler)?,
        logger: Logger, opened: @escaping @Sendable (RemotingConnection) -> Void,
        closed: @escaping @Sendable (RemotingConnection) -> Void
    ) throws {
        let pipeline = channel.pipeline.syncOperations
        if let idleTimeout = limits.idleTimeout {
            try pipeline.addHandler(IdleStateHandler(allTimeout: TimeAmount(idleTimeout)))
        }
        try pipeline.addHandler(ByteToMessageHandler(FrameDecoder(limitBytes: limits.frameBytes)))
        try pipeline.addHandler(FrameEncoder())
        try pipeline.addHandler(
            ConnectionHandler(
                limits: limits, requestHandler: requestHandler, logger: logger, opened: opened, closed: closed))
    }
}
