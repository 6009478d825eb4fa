public import NIOCore

/// The frame layout around a header: where lengths and header type are.
///
/// ```
/// +----------+--------+----------------+--------+------+
/// | length 4 | type 1 | headerLength 3 | header | body |
/// +----------+--------+----------------+--------+------+
/// length counts everything after itself
/// ```
public enum FrameCodec {
    /// The longest frame that is read, without its length prefix. Source: RocketMQ's
    /// `com.rocketmq.remoting.frameMaxLength`.
    public static let limitBytes = 16 * 1024 * 1024

    /// Reads the next whole frame; `nil` when bytes are missing, and then nothing is consumed.
    ///
    /// The body is a slice that shares the buffer's memory.
    public static func decode(
        from buffer: inout ByteBuffer, limitBytes: Int = FrameCodec.limitBytes
    ) throws(FrameError) -> RemotingCommand? {
        guard let length = buffer.getInteger(at: buffer.readerIndex, as: Int32.self) else { return nil }
        guard length >= 4, Int(length) <= limitBytes else {
            throw FrameError.badLength(Int64(length), limitBytes: limitBytes)
        }
        guard buffer.readableBytes >= 4 + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: 4)
        guard var frame = buffer.readSlice(length: Int(length)), let mark = frame.readInteger(as: UInt32.self) else {
            return nil
        }
        guard let type = SerializeType(rawValue: UInt8(mark >> 24)) else {
            throw FrameError.unknownSerializeType(UInt8(mark >> 24))
        }
        guard let header = frame.readSlice(length: Int(mark & 0x00FF_FFFF)) else {
            throw FrameError.malformedHeader(reason: "its length \(mark & 0x00FF_FFFF) exceeds the frame")
        }
        var command: RemotingCommand
        switch type {
        case .rocketmq: command = try decode(header, CompactHeader.decode)
        case .json: command = try decode(header, JSONHeader.decode)
        }
        if frame.readableBytes > 0 { command.body = frame }
        return command
    }

    @inline(__always)
    private static func decode(
        _ header: ByteBuffer, _ read: (UnsafeRawBufferPointer) throws(FrameError) -> RemotingCommand
    ) throws(FrameError) -> RemotingCommand {
        let result: Result<RemotingCommand, FrameError> = header.withUnsafeReadableBytes { bytes in
            do throws(FrameError) { return .success(try read(bytes)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// Appends a whole frame, encoded straight into place.
    public static func encode(_ command: RemotingCommand, into buffer: inout ByteBuffer) {
        let start = buffer.writerIndex
        encodeHead(command, into: &buffer)
        guard let body = command.body else { return }
        buffer.setInteger(Int32(buffer.writerIndex - start - 4 + body.readableBytes), at: start)
        buffer.writeImmutableBuffer(body)
    }

    /// Appends everything but the body, whose size the length prefix counts already.
    ///
    /// For senders that write a large body as a buffer of its own, uncopied.
    ///
    /// An answer whose header is too long for its length field becomes a refusal: answers repeat what peers wrote, and a
    /// character that took them one byte may take six. A request of that size is its maker's mistake.
    public static func encodeHead(_ command: RemotingCommand, into buffer: inout ByteBuffer) {
        let start = buffer.writerIndex
        var headerLength = encodeHeader(command, into: &buffer)
        if headerLength > longestHeaderBytes && command.isResponse {
            buffer.moveWriterIndex(to: start)
            var refusal = command
            refusal.code = ResponseCode.systemError.rawValue
            refusal.remark = "the answer's header would have \(headerLength) bytes"
            refusal.extFields = ExtFields()
            headerLength = encodeHeader(refusal, into: &buffer)
        }
        precondition(
            headerLength <= longestHeaderBytes, "a header of \(headerLength) bytes exceeds its 24-bit length field")
        let total = headerLength + 4 + (command.body?.readableBytes ?? 0)
        buffer.setInteger(Int32(total), at: start)
        buffer.setInteger(UInt32(command.serializeType.rawValue) << 24 | UInt32(headerLength), at: start + 4)
    }

    /// The longest header: its length has 24 bits.
    private static let longestHeaderBytes = 0x00FF_FFFF

    /// Appends room for the lengths, and the header; returns the header's bytes.
    private static func encodeHeader(_ command: RemotingCommand, into buffer: inout ByteBuffer) -> Int {
        buffer.writeInteger(Int64(0))
        let start = buffer.writerIndex
        switch command.serializeType {
        case .json: JSONHeader.encode(command, into: &buffer)
        case .rocketmq: CompactHeader.encode(command, into: &buffer)
        }
        return buffer.writerIndex - start
    }
}
