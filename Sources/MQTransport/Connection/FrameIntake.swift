import MQWire
import NIOCore

/// A whole frame, and how long it was.
struct IncomingFrame {
    var command: RemotingCommand
    var bytes: Int
}

/// Cuts a byte stream into frames and knows how much of the next one is there.
struct FrameIntake: ByteToMessageDecoder {
    typealias InboundOut = IncomingFrame

    let limitBytes: Int
    let forming: FormingFrame

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        let before = buffer.readableBytes
        guard let command = try FrameCodec.decode(from: &buffer, limitBytes: limitBytes) else {
            forming.holds(before, now: .now())
            return .needMoreData
        }
        // First passed on, so that its bytes are the request's before they are the frame's no more.
        context.fireChannelRead(
            Self.wrapInboundOut(IncomingFrame(command: command, bytes: before - buffer.readableBytes)))
        forming.holds(0, now: .now())
        return .continue
    }

    /// At the end of the stream whole frames still count; a torn one is dropped with the connection.
    mutating func decodeLast(
        context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
    ) throws -> DecodingState {
        try decode(context: context, buffer: &buffer)
    }
}

/// The frame that a connection has begun to receive. Belongs to the connection's event loop.
final class FormingFrame {
    /// What of it is there.
    private(set) var bytes = 0
    /// When it began; `nil` while there is none.
    private(set) var since: NIODeadline?
    /// Told of each change; set by the connection.
    var changed: (_ byBytes: Int) -> Void = { _ in }

    func holds(_ count: Int, now: @autoclosure () -> NIODeadline) {
        guard count != bytes else { return }
        let difference = count - bytes
        bytes = count
        since = count == 0 ? nil : since ?? now()
        changed(difference)
    }
}
