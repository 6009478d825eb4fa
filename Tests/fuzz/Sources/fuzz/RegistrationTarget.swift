import MQWire
import NIOCore

/// The compressed registration. The input is what stands in the stream: sums are no matter for mutations.
enum RegistrationTarget {
    static func run(_ input: ByteBuffer) {
        let packed = Zlib.deflate(input)
        let read = bounded(input.readableBytes, factor: 128) { try? RegisterBrokerBody(compressed: packed) }
        guard let body = read else { return }
        let again = try? RegisterBrokerBody(compressed: body.compressed())
        expect(again == body, "\(body) came back as \(String(describing: again))")
    }
}
