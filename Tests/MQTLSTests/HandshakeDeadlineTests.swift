import NIOCore
import NIOEmbedded
import NIOTLS
import Synchronization
import Testing

@testable import MQTLS

/// A peer that begins TLS and does not go on must not keep its connection.
@Suite struct HandshakeDeadlineTests {
    /// Notes what ends a connection.
    private final class Errors: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer

        let seen = Mutex<[String]>([])

        func errorCaught(context: ChannelHandlerContext, error: any Error) { seen.withLock { $0.append("\(error)") } }
    }

    private func channel() throws -> (EmbeddedChannel, Errors) {
        let errors = Errors()
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandlers([HandshakeDeadline(), errors])
        channel.connect(to: try SocketAddress(unixDomainSocketPath: "/peer"), promise: nil)
        return (channel, errors)
    }

    @Test func aHandshakeThatHangsEndsTheConnection() throws {
        let (channel, errors) = try channel()
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(9_999))
        #expect(channel.isActive && errors.seen.withLock { $0.isEmpty })
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(!channel.isActive)
        #expect(errors.seen.withLock { $0 } == ["the peer did not finish its TLS handshake within 10 s"])
    }

    @Test func aHandshakeThatIsDoneKeepsIt() throws {
        let (channel, errors) = try channel()
        channel.embeddedEventLoop.advanceTime(by: .seconds(9))
        channel.pipeline.fireUserInboundEventTriggered(TLSUserEvent.handshakeCompleted(negotiatedProtocol: nil))
        channel.embeddedEventLoop.advanceTime(by: .seconds(3600))
        #expect(channel.isActive && errors.seen.withLock { $0.isEmpty })
        _ = try channel.finish()
    }
}
