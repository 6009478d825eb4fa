import NIOCore
import NIOSSL
import NIOTLS

/// Looks at the first byte of a connection: a TLS record of a handshake begins with 22, a frame with its length, which
/// for one of less than 16 MiB begins with 0.
///
/// TLS goes on through a TLS handler in this one's place; what is none goes on as it is, or the connection ends.
final class TLSDetector: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private static let handshake: UInt8 = 22

    private let context: NIOSSLContext
    private let allowsPlain: Bool

    init(context: NIOSSLContext, allowsPlain: Bool) {
        self.context = context
        self.allowsPlain = allowsPlain
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        guard let first = bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) else { return }
        guard first == Self.handshake || allowsPlain else {
            context.fireErrorCaught(TLSRequired())
            return context.close(promise: nil)
        }
        let pipeline = context.pipeline.syncOperations
        do {
            if first == Self.handshake {
                let secured = NIOSSLServerHandler(context: self.context)
                try pipeline.addHandler(secured, position: .after(self))
                try pipeline.addHandler(HandshakeDeadline(), position: .after(secured))
            }
            context.fireChannelRead(data)
            pipeline.removeHandler(self, promise: nil)
        } catch {
            context.fireErrorCaught(error)
            context.close(promise: nil)
        }
    }
}

/// A peer began without TLS where TLS is required (`tls.server.mode=enforcing`).
struct TLSRequired: Error, CustomStringConvertible {
    var description: String { "the peer began without TLS, which this port requires (tls.server.mode=enforcing)" }
}

/// Closes a connection whose TLS does not come about in time.
final class HandshakeDeadline: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// From a peer's first byte to the end of its handshake.
    static let limit = TimeAmount.seconds(10)

    private var alarm: Scheduled<Void>?

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        alarm = context.eventLoop.scheduleTask(in: Self.limit) {
            channel.pipeline.fireErrorCaught(HandshakeTimeout())
            channel.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent { alarm?.cancel() }
        context.fireUserInboundEventTriggered(event)
    }

    func handlerRemoved(context: ChannelHandlerContext) { alarm?.cancel() }
}

/// A peer began TLS and did not finish its handshake.
struct HandshakeTimeout: Error, CustomStringConvertible {
    var description: String { "the peer did not finish its TLS handshake within 10 s" }
}
