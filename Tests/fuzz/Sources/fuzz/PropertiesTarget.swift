import MQWire
import NIOCore

/// A message's properties: the whole list, and the one that is looked up without it.
enum PropertiesTarget {
    static func run(_ input: ByteBuffer) {
        let properties = bounded(input.readableBytes) { MessageProperties(input) }
        expect(MessageProperties(text: properties.text) == properties, "\(properties) did not survive its text")
        lookUp("TAGS", in: input, properties)
        lookUp("KEYS", in: input, properties)
        lookUp("UNIQ_KEY", in: input, properties)
        lookUp("DELAY", in: input, properties)
    }

    /// Dispatch and index look up one; a consumer decodes all. They must agree.
    private static func lookUp(_ name: StaticString, in input: ByteBuffer, _ all: MessageProperties) {
        let found = MessageProperties.value(of: name, in: input)
        // By bytes: to Swift two names may be equal that differ on the wire.
        let wanted = all.entries.last { $0.name.utf8.elementsEqual("\(name)".utf8) }?.value
        expect(
            found == wanted, "\(name) is \(String(describing: found)), and \(String(describing: wanted)) in the list")
    }
}
