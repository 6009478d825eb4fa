import MQWire
import NIOCore

/// The body of a batch request.
enum BatchTarget {
    static func run(_ input: ByteBuffer) {
        guard let items = bounded(input.readableBytes, { BatchBody.decode(input) }) else { return }
        var buffer = ByteBuffer()
        BatchBody.encode(items, into: &buffer)
        expect(buffer.readableBytes == input.readableBytes, "\(buffer.readableBytes) bytes for \(input.readableBytes)")
        expect(BatchBody.decode(buffer) == items, "a batch did not come back")
    }
}
