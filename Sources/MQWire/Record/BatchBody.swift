public import NIOCore

/// The body of a batch request (320): messages one after another, all for one topic and queue.
///
/// ```
/// ┌───────────┬─────────┬───────────┬────────┬──────────────┬──────┬────────────────────┬────────────┐
/// │totalSize 4│ magic 4 │ bodyCRC 4 │ flag 4 │ bodyLength 4 │ body │ propertiesLength 2 │ properties │
/// └───────────┴─────────┴───────────┴────────┴──────────────┴──────┴────────────────────┴────────────┘
/// ```
/// Clients leave magic and bodyCRC zero; the broker sums the body itself.
public enum BatchBody {
    /// One message of a batch.
    public struct Item: Sendable, Hashable {
        /// The sender's own flag.
        public var flag: Int32
        /// The body.
        public var body: ByteBuffer
        /// The encoded properties.
        public var properties: ByteBuffer

        /// A message of a batch.
        public init(flag: Int32 = 0, body: ByteBuffer, properties: ByteBuffer) {
            self.flag = flag
            self.body = body
            self.properties = properties
        }
    }

    /// The most messages taken from one batch; the frame's limit of 16 MiB allows no more than this anyway.
    public static let maximumItems = 1 << 19
    /// The bytes of a message without body and properties.
    public static let fixedSize = 4 + 4 + 4 + 4 + 4 + 2

    /// Appends the items to `buffer`.
    public static func encode(_ items: [Item], into buffer: inout ByteBuffer) {
        for item in items {
            precondition(
                item.properties.readableBytes <= MessageProperties.maximumEncodedBytes,
                "properties of \(item.properties.readableBytes) bytes do not fit a batch item")
            let size = fixedSize + item.body.readableBytes + item.properties.readableBytes
            buffer.writeMultipleIntegers(
                Int32(size), Int32(0), Int32(0), item.flag, Int32(item.body.readableBytes))
            buffer.writeImmutableBuffer(item.body)
            buffer.writeInteger(Int16(item.properties.readableBytes))
            buffer.writeImmutableBuffer(item.properties)
        }
    }

    /// Splits a batch into its messages, as slices of `body`; `nil` when a length does not fit.
    public static func decode(_ body: ByteBuffer) -> [Item]? {
        var rest = body
        var items: [Item] = []
        while rest.readableBytes > 0 {
            guard items.count < maximumItems,
                let (size, _, _, flag, bodyLength) = rest.readMultipleIntegers(
                    as: (Int32, Int32, Int32, Int32, Int32).self),
                bodyLength >= 0, let itemBody = rest.readSlice(length: Int(bodyLength)),
                let propertiesLength = rest.readInteger(as: Int16.self), propertiesLength >= 0,
                let properties = rest.readSlice(length: Int(propertiesLength)),
                Int(size) == fixedSize + Int(bodyLength) + Int(propertiesLength)
            else { return nil }
            items.append(Item(flag: flag, body: itemBody, properties: properties))
        }
        return items
    }
}
