import MQTransport
import MQWire
import NIOCore
import NIOHTTP1
import NIOPosix

/// One HTTP exchange with one endpoint, on a connection of its own: requests are few, and a connection that stands may be one
/// that a partition has cut without a word.
struct EtcdGateway: Sendable {
    let group: any EventLoopGroup

    /// The most bytes of an answer, or of a line of one.
    static let largestAnswer = 4 << 20

    /// Posts a request and gives the whole answer.
    func post(_ path: String, _ body: JSONValue, to endpoint: HostPort, timeout: Duration) async throws -> JSONValue {
        let answer = try await exchange(path, body, endpoint, timeout: TimeAmount(timeout), idle: nil) { _ in }
        return try Self.judge(answer.status, answer.body)
    }

    /// Posts a request whose answer goes on, and hands over each line of it; returns when it ends, or is silent for so long.
    func follow(
        _ path: String, _ body: JSONValue, from endpoint: HostPort, timeout: Duration, silence: Duration,
        _ line: @escaping @Sendable (JSONValue) -> Void
    ) async throws {
        let answer = try await exchange(path, body, endpoint, timeout: TimeAmount(timeout), idle: TimeAmount(silence)) {
            if let json = try? JSONValue(parsing: $0) { line(json) }
        }
        if answer.status != 200 { _ = try Self.judge(answer.status, answer.body) }
    }

    private static func judge(_ status: UInt, _ body: ByteBuffer) throws(EtcdError) -> JSONValue {
        let json: JSONValue
        do { json = try JSONValue(parsing: body) } catch {
            throw .illegible("status \(status), \(String(buffer: body).prefix(200))")
        }
        guard status == 200 else {
            throw .refused(
                code: json["code"]?.integerValue ?? -1,
                message: json["message"]?.stringValue ?? json["error"]?.stringValue ?? "status \(status)")
        }
        return json
    }

    private func exchange(
        _ path: String, _ body: JSONValue, _ endpoint: HostPort, timeout: TimeAmount, idle: TimeAmount?,
        _ line: @escaping @Sendable (ByteBuffer) -> Void
    ) async throws -> EtcdExchange.Answer {
        let loop = group.next()
        let promise = loop.makePromise(of: EtcdExchange.Answer.self)
        var head = HTTPRequestHead(version: .http1_1, method: .POST, uri: path)
        let bytes = body.encoded()
        head.headers = [
            "host": endpoint.description, "content-type": "application/json",
            "content-length": String(bytes.readableBytes), "connection": "close",
        ]
        let request = head
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(timeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let idle { try pipeline.addHandler(IdleStateHandler(readTimeout: idle)) }
                    try pipeline.addHTTPClientHandlers()
                    try pipeline.addHandler(
                        EtcdExchange(request, bytes, promise: promise, line: idle == nil ? nil : line))
                }
            }
        let connecting = bootstrap.connect(host: endpoint.host, port: endpoint.port)
        connecting.whenFailure { promise.fail(EtcdError.unanswered("\(endpoint): \($0)")) }
        let alarm =
            idle == nil
            ? loop.scheduleTask(in: timeout) {
                promise.fail(EtcdError.unanswered("\(endpoint) took longer than \(timeout)"))
                connecting.whenSuccess { $0.close(promise: nil) }
            } : nil
        promise.futureResult.whenComplete { _ in alarm?.cancel() }
        return try await withTaskCancellationHandler {
            try await promise.futureResult.get()
        } onCancel: {
            promise.fail(CancellationError())
            connecting.whenSuccess { $0.close(promise: nil) }
        }
    }
}

/// A connection for one request.
private final class EtcdExchange: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    struct Answer: Sendable {
        var status: UInt = 0
        /// All of it, or what no line has taken.
        var body = ByteBuffer()
    }

    private let request: HTTPRequestHead
    private let body: ByteBuffer
    private let promise: EventLoopPromise<Answer>
    private let line: (@Sendable (ByteBuffer) -> Void)?
    private var answer = Answer()

    init(
        _ request: HTTPRequestHead, _ body: ByteBuffer, promise: EventLoopPromise<Answer>,
        line: (@Sendable (ByteBuffer) -> Void)?
    ) {
        self.request = request
        self.body = body
        self.promise = promise
        self.line = line
    }

    func channelActive(context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(.head(request)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): answer.status = head.status.code
        case .body(var part):
            answer.body.writeBuffer(&part)
            if let line, answer.status == 200 {
                while let end = answer.body.readableBytesView.firstIndex(of: UInt8(ascii: "\n")),
                    let text = answer.body.readSlice(length: end - answer.body.readerIndex)
                {
                    answer.body.moveReaderIndex(forwardBy: 1)
                    if text.readableBytes > 0 { line(text) }
                }
                answer.body.discardReadBytes()
            }
            guard answer.body.readableBytes <= EtcdGateway.largestAnswer else {
                promise.fail(EtcdError.illegible("more than \(EtcdGateway.largestAnswer) bytes"))
                return context.close(promise: nil)
            }
        case .end:
            promise.succeed(answer)
            context.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(EtcdError.unanswered("\(error)"))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.fail(EtcdError.unanswered("it closed the connection"))
    }
}
