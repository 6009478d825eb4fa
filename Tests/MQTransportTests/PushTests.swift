import MQWire
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MQTransport

/// What a server pushes to a peer that does not read is bounded, and passes behind answers that are on their way.
@Suite struct PushTests {
    private let group = MultiThreadedEventLoopGroup.singleton

    /// Reads only when it may.
    private final class SlowReader: ChannelDuplexHandler, Sendable {
        typealias InboundIn = ByteBuffer
        typealias OutboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        let mayRead = Mutex(false)

        func read(context: ChannelHandlerContext) {
            if mayRead.withLock({ $0 }) { context.read() }
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {}
    }

    /// Runs `body` with the server's end of a connection whose other end has sent these requests and reads nothing.
    private func withPeer(
        _ requests: Int, answerBytes: Int,
        _ body: (RemotingConnection, ByteBudget, _ letRead: () -> Void) async throws -> Void
    ) async throws {
        let budget = ByteBudget()
        let peer = Mutex<RemotingConnection?>(nil)
        let server = RemotingServer(
            configuration: .init(host: "127.0.0.1", port: 0, budget: budget), group: group, logger: quiet,
            handler: ScriptedServer { request, connection, reply in
                peer.withLock { $0 = connection }
                reply.send(request.response(.success, body: ByteBuffer(repeating: 1, count: answerBytes)))
            })
        let address = try await server.start()
        let reader = SlowReader()
        let channel = try await ClientBootstrap(group: group)
            .channelInitializer { $0.pipeline.addHandler(reader) }.connect(to: address).get()
        var frames = ByteBuffer()
        for opaque in 0..<requests {
            var request = RemotingCommand.request(.pullMessage)
            request.opaque = Int32(opaque)
            FrameCodec.encode(request, into: &frames)
        }
        try await channel.writeAndFlush(frames)
        try await until { peer.withLock { $0 } != nil }
        let connection = try #require(peer.withLock { $0 })
        try await body(connection, budget) {
            reader.mayRead.withLock { $0 = true }
            channel.read()
        }
        try await channel.close()
        await server.shutdown()
        #expect(budget.heldBytes == 0)
    }

    @Test func whoDoesNotReadIsPushedNoMore() async throws {
        try await withPeer(1, answerBytes: 1) { connection, budget, letRead in
            let body = ByteBuffer(repeating: 2, count: 1 << 20)
            // Each lot after the time of the one before is up: what was not taken still counts.
            for _ in 0..<2 {
                var reasons: [TransportError?] = []
                for _ in 0..<60 {
                    do {
                        _ = try await connection.push(
                            .request(.pushReplyMessage, body: body), timeout: .milliseconds(5)
                        ).get()
                    } catch { reasons.append(error as? TransportError) }
                }
                let refused = reasons.filter { $0?.isCertainlyNotSent == true }.count
                // The window, and what the kernel's buffers took.
                #expect(refused > 60 - 5 - 16, "\(refused) were refused")
                #expect(budget.heldBytes < 6 << 20, "\(budget.heldBytes) bytes are held")
            }
            letRead()
            try await until { budget.heldBytes == 0 }
        }
    }

    @Test func aNoticePassesBehindAnswers() async throws {
        try await withPeer(600, answerBytes: 200_000) { connection, budget, letRead in
            try await until { budget.heldBytes >= AnswerGate.limitBytes }
            for _ in 0..<PushWindow.countLimit { #expect(connection.notify(.request(.notifyConsumerIDsChanged))) }
            #expect(!connection.notify(.request(.notifyConsumerIDsChanged)))
            letRead()
            try await until { budget.heldBytes == 0 }
            #expect(connection.notify(.request(.notifyConsumerIDsChanged)))
            try await until { budget.heldBytes == 0 }
        }
    }
}
