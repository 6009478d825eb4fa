import ArgumentParser
import Logging
import MQTransport
import MQWire
import NIOCore
import NIOPosix

/// `mqbench echo`: what the wire alone can do, for the ratio of everything else to it.
struct EchoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo", abstract: "Sends frames to a server in this process that sends them back.",
        discussion: """
            Through MQTransport, whose client pairs answers and whose server decodes requests; with --bare through a
            SwiftNIO pipeline without any handler but the echo, flushed once per read.

            Example: mqbench echo --in-flight 64 --size 256 --bare
            """)

    @OptionGroup var options: RunOptions

    @Option(help: "How many frames are on their way at once.")
    var inFlight = 64

    @Option(help: "Bytes of a frame's body.")
    var size = 256

    @Flag(help: "SwiftNIO alone.")
    var bare = false

    func validate() throws {
        guard (1...4096).contains(inFlight) else {
            throw ValidationError("--in-flight \(inFlight) is out of range (expected 1 to 4096)")
        }
        guard (0...1_048_576).contains(size) else {
            throw ValidationError("--size \(size) is out of range (expected 0 to 1048576)")
        }
    }

    func run() async throws { try options.report(try await measure()) }

    /// The run, without a word to anybody.
    func measure() async throws -> Measurement {
        let servers = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let clients = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let settings = [
            JSONMember("inFlight", .integer(Int64(inFlight))), JSONMember("bodyBytes", .integer(Int64(size))),
            JSONMember("bare", .bool(bare)),
        ]
        let window: Window
        let parts: [Measurement.Part]
        if bare {
            (window, parts) = try await bareRun(servers: servers, clients: clients)
        } else {
            (window, parts) = try await transportRun(servers: servers, clients: clients)
        }
        try await clients.shutdownGracefully()
        try await servers.shutdownGracefully()
        return Measurement(name: "echo", settings: settings, window: window, parts: parts, spent: nil)
    }

    private func transportRun(
        servers: any EventLoopGroup, clients: any EventLoopGroup
    ) async throws -> (Window, [Measurement.Part]) {
        let logger = Logger(label: "mqbench", factory: { _ in SwiftLogNoOpLogHandler() })
        let server = RemotingServer(
            configuration: .init(host: "127.0.0.1", port: 0), group: servers, logger: logger, handler: Echo())
        let address = try await server.start()
        let client = RemotingClient(group: clients, logger: logger)
        let target = "127.0.0.1:\(address.port ?? 0)"
        let window = Window(options)
        let body = ByteBuffer(repeating: 0x61, count: size)
        let parts = await withTaskGroup(of: Measurement.Part.self) { group in
            for _ in 0..<inFlight {
                group.addTask {
                    var part = Measurement.Part()
                    while ContinuousClock.now < window.closes {
                        let start = ContinuousClock.now
                        do {
                            let request = RemotingCommand(code: Echo.code, body: body)
                            _ = try await client.call(request, to: target, timeout: .seconds(10))
                            let end = ContinuousClock.now
                            if window.counts(end) { part.complete(1, took: end - start) }
                        } catch {
                            part.fail(error)
                            return part
                        }
                    }
                    return part
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        await client.shutdown()
        await server.shutdown()
        return (window, parts)
    }

    private func bareRun(
        servers: any EventLoopGroup, clients: any EventLoopGroup
    ) async throws -> (Window, [Measurement.Part]) {
        let listener = try await ServerBootstrap(group: servers)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(BareEcho()) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = listener.localAddress?.port ?? 0
        let window = Window(options)
        let loop = clients.next()
        let outcome = loop.makePromise(of: Measurement.Part.self)
        let frameBytes = max(1, size)
        let inFlight = inFlight
        let channel = try await ClientBootstrap(group: loop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        BareClient(frameBytes: frameBytes, inFlight: inFlight, window: window, outcome: outcome))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        let part = try await outcome.futureResult.get()
        try await channel.close().get()
        try await listener.close().get()
        return (window, [part])
    }
}

/// Answers every request with its own body.
private struct Echo: RemotingRequestHandler {
    /// A code that no protocol of ours uses.
    static let code: Int32 = 9_999

    func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
        reply.send(request.response(body: request.body))
    }
}

/// Writes back what it reads, and flushes once per read.
private final class BareEcho: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.write(data, promise: nil) }
    func channelReadComplete(context: ChannelHandlerContext) { context.flush() }
}

/// Keeps so many frames on their way, and counts those that came back whole.
private final class BareClient: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let frame: ByteBuffer
    private let inFlight: Int
    private let window: Window
    private let outcome: EventLoopPromise<Measurement.Part>
    private var part = Measurement.Part()
    private var surplusBytes = 0
    private var isDone = false

    init(frameBytes: Int, inFlight: Int, window: Window, outcome: EventLoopPromise<Measurement.Part>) {
        frame = ByteBuffer(repeating: 0x61, count: frameBytes)
        self.inFlight = inFlight
        self.window = window
        self.outcome = outcome
    }

    func channelActive(context: ChannelHandlerContext) {
        for _ in 0..<inFlight { context.write(wrapOutboundOut(frame), promise: nil) }
        context.flush()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        surplusBytes += unwrapInboundIn(data).readableBytes
        let frames = surplusBytes / frame.readableBytes
        surplusBytes %= frame.readableBytes
        let now = ContinuousClock.now
        if window.counts(now) { part.complete(frames, took: nil) }
        guard now < window.closes else {
            if !isDone { outcome.succeed(part) }
            isDone = true
            return
        }
        for _ in 0..<frames { context.write(wrapOutboundOut(frame), promise: nil) }
    }

    func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

    func channelInactive(context: ChannelHandlerContext) {
        if !isDone { outcome.fail(ChannelError.eof) }
        isDone = true
    }
}
