import NIOCore
import NIOSSL

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
                try pipeline.addHandler(NIOSSLServerHandler(context: self.context), position: .after(self))
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
