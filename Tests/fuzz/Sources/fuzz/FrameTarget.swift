import MQWire
import NIOCore

/// Frames cut from a stream: both header encodings.
enum FrameTarget {
    static func run(_ input: ByteBuffer) {
        var stream = input
        while stream.readableBytes > 0 {
            let before = stream
            // As connections do: a limit of their own, and whatever is refused ends the stream.
            let decoded = bounded(before.readableBytes) {
                try? FrameCodec.decode(from: &stream, limitBytes: 1 << 20)
            }
            guard let command = decoded else {
                return expect(stream.readerIndex == before.readerIndex || decoded == nil, "bytes went without a frame")
            }
            let length = stream.readerIndex - before.readerIndex
            expect(Int(before.getInteger(at: before.readerIndex, as: Int32.self) ?? 0) + 4 == length, "a wrong length")
            expect(command.body?.readableBytes ?? 0 <= length - 8, "a body beyond its frame")
            var cut = before.getSlice(at: before.readerIndex, length: length - 1) ?? ByteBuffer()
            expect((try? FrameCodec.decode(from: &cut)) == .some(nil), "a frame without its last byte was read")
            expect(cut.readableBytes == length - 1, "a frame that is not whole was consumed")
            survives(command)
        }
    }

    private static func survives(_ command: RemotingCommand) {
        var buffer = ByteBuffer()
        FrameCodec.encode(command, into: &buffer)
        let again = try? FrameCodec.decode(from: &buffer)
        expect(again == command, "\(command) came back as \(String(describing: again))")
        expect(buffer.readableBytes == 0, "\(buffer.readableBytes) bytes too many were written")
    }
}
