public import NIOCore

/// Frames that are written one behind the other: small ones share a buffer, bodies above a few kilobytes stay buffers of
/// their own, for `writev` to gather.
public struct FrameBatch {
    /// Below this a copy is cheaper than one more I/O vector.
    private static let copyLimitBytes = 4096
    /// A shared buffer that has grown to this is followed by another one.
    private static let bufferLimitBytes = 1 << 17
    /// What a frame without a body takes, mostly.
    private static let usualBytes = 256

    private let allocator: ByteBufferAllocator
    private var buffers: [ByteBuffer] = []
    private var shared: ByteBuffer

    /// A batch of about so many frames.
    public init(allocator: ByteBufferAllocator, count: Int) {
        self.allocator = allocator
        shared = allocator.buffer(capacity: min(count * Self.usualBytes, Self.bufferLimitBytes))
    }

    /// Encodes a command behind the others.
    public mutating func append(_ command: RemotingCommand) {
        if let body = command.body, body.readableBytes >= Self.copyLimitBytes {
            FrameCodec.encodeHead(command, into: &shared)
            endShared()
            buffers.append(body)
        } else {
            FrameCodec.encode(command, into: &shared)
            if shared.readableBytes >= Self.bufferLimitBytes { endShared() }
        }
    }

    private mutating func endShared() {
        buffers.append(shared)
        shared = allocator.buffer(capacity: Self.usualBytes)
    }

    /// The buffers, to be written in this order; none of them is empty.
    public consuming func finish() -> [ByteBuffer] {
        if shared.readableBytes > 0 { buffers.append(shared) }
        return buffers
    }
}
