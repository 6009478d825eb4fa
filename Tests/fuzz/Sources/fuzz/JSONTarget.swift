import MQWire
import NIOCore

/// JSON texts, lenient in and strict out.
enum JSONTarget {
    static func run(_ input: ByteBuffer) {
        guard let value = bounded(input.readableBytes, { try? JSONValue(parsing: input) }) else { return }
        let text = value.encoded()
        let again = try? JSONValue(parsing: text)
        expect(again == value, "\(value) came back as \(String(describing: again))")
        // Six bytes for a control character, and a few for what a fraction's shortest text needs.
        expect(text.readableBytes <= 64 + 16 * input.readableBytes, "\(text.readableBytes) bytes of text")
    }
}
