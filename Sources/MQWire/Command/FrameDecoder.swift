public import NIOCore

/// Cuts a byte stream into commands; throws ``FrameError`` on what is no frame.
public struct FrameDecoder: ByteToMessageDecoder {
    /// What comes out.
    public typealias InboundOut = RemotingCommand

    private let limitBytes: Int

    /// A decoder that refuses frames above `limitBytes`.
    public init(limitBytes: Int = FrameCodec.limitBytes) { self.limitBytes = limitBytes }

    /// Passes the next whole frame on.
    public mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        guard let command = try FrameCodec.decode(from: &buffer, limitBytes: limitBytes) else {
            return .needMoreData
        }
        context.fireChannelRead(Self.wrapInboundOut(command))
        return .continue
    }

    /// At the end of the stream whole frames still count; a torn one is dropped with the connection.
    public mutating func decodeLast(
        context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
    ) throws -> DecodingState {
        try decode(context: context, buffer: &buffer)
    }
}
