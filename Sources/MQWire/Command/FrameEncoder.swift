public import NIOCore

/// Writes commands as frames. Bodies above a few kilobytes go out as buffers of their own, gathered by `writev`.
public final class FrameEncoder: ChannelOutboundHandler {
    /// What goes in.
    public typealias OutboundIn = RemotingCommand
    /// What comes out.
    public typealias OutboundOut = ByteBuffer

    /// Below this a copy is cheaper than one more I/O vector.
    private static let copyLimitBytes = 4096

    /// An encoder for one channel.
    public init() {}

    /// Encodes one command.
    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let command = unwrapOutboundIn(data)
        let bodyBytes = command.body?.readableBytes ?? 0
        var frame = context.channel.allocator.buffer(
            capacity: 256 + (bodyBytes < Self.copyLimitBytes ? bodyBytes : 0))
        if let body = command.body, bodyBytes >= Self.copyLimitBytes {
            FrameCodec.encodeHead(command, into: &frame)
            context.write(wrapOutboundOut(frame), promise: nil)
            context.write(wrapOutboundOut(body), promise: promise)
        } else {
            FrameCodec.encode(command, into: &frame)
            context.write(wrapOutboundOut(frame), promise: promise)
        }
    }
}
