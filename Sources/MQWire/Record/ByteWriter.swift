import NIOCore

/// Writes numbers, texts and bytes into memory that was reserved for them: one reservation for a whole record or header.
struct ByteWriter {
    private let bytes: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(_ bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }

    mutating func integer(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.bigEndian) { append($0) }
    }

    mutating func string(_ text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    mutating func buffer(_ buffer: ByteBuffer) { buffer.withUnsafeReadableBytes { append($0) } }

    mutating func append(_ source: UnsafeRawBufferPointer) {
        guard !source.isEmpty else { return }
        UnsafeMutableRawBufferPointer(rebasing: bytes[count..<(count + source.count)]).copyMemory(from: source)
        count += source.count
    }
}
