public import NIOCore
import NIOHTTP1
import NIOPosix

/// Answers `GET /metrics` with a registry's series, and everything else with 404 or 405.
///
/// One answer for each connection: scrapers come every few seconds, and an idle connection is not worth keeping.
public final class MetricsServer: Sendable {
    /// A connection that has not asked within this time is closed.
    static let patience = TimeAmount.seconds(10)

    private let registry: MetricsRegistry
    private let listener: any Channel

    /// Listens on `host:port`; throws what the system says when it cannot.
    public init(registry: MetricsRegistry, host: String, port: Int, group: any EventLoopGroup) async throws {
        self.registry = registry
        listener = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 16)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(IdleStateHandler(readTimeout: Self.patience))
                    try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
                    try pipeline.addHandler(ScrapeHandler(registry: registry))
                }
            }
            .bind(host: host, port: port).get()
    }

    /// Where it listens.
    public var address: SocketAddress? { listener.localAddress }

    /// Stops listening.
    public func shutdown() async {
        // Closing what is closed already is no failure here.
        try? await listener.close().get()
    }
}

/// One connection of a scraper.
private final class ScrapeHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let registry: MetricsRegistry

    init(registry: MetricsRegistry) { self.registry = registry }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let head) = unwrapInboundIn(data) else { return }
        let path = head.uri.prefix { $0 != "?" }
        switch (path, head.method) {
        case ("/metrics", .GET): answer(.ok, registry.text(), context)
        case ("/metrics", _): answer(.methodNotAllowed, "only GET\n", context)
        default: answer(.notFound, "only /metrics\n", context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    /// What is no HTTP was answered with 400 by the handler before this one.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func answer(_ status: HTTPResponseStatus, _ text: String, _ context: ChannelHandlerContext) {
        let body = context.channel.allocator.buffer(string: text)
        let headers: HTTPHeaders = [
            "content-type": PrometheusText.contentType, "content-length": String(body.readableBytes),
            "connection": "close",
        ]
        context.write(wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        let closes = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in closes.value.close(promise: nil) }
    }
}
