import NIOCore

@testable import MQWire

/// Deflate streams without their sum, and the way through our own packer.
enum ZlibTarget {
    private static let limitBytes = 1 << 14

    static func run(_ input: ByteBuffer) {
        let bytes = Array(input.readableBytesView)
        let output = bounded(limitBytes + bytes.count) { () -> [UInt8]? in
            var inflater = Inflater(bytes: bytes, from: 0, limitBytes: limitBytes)
            return try? inflater.run()
        }
        _ = try? Zlib.inflate(input, limitBytes: limitBytes)
        survives(input)
        guard let output else { return }
        expect(output.count <= limitBytes, "\(output.count) bytes were unpacked")
        survives(ByteBuffer(bytes: output))
    }

    private static func survives(_ plain: ByteBuffer) {
        let again = try? Zlib.inflate(Zlib.deflate(plain), limitBytes: plain.readableBytes)
        expect(again == plain, "\(plain.readableBytes) bytes did not come back")
    }
}
