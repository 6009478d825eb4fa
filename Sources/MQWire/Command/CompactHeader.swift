import NIOCore

/// The compact binary header of a frame (type 1). Source: RocketMQ 4.9 `RocketMQSerializable`.
///
/// ```
/// +--------+----------+---------+----------+--------+-------------+--------+-----------+--------+
/// | code 2 | lang   1 | vers  2 | opaque 4 | flag 4 | remarkLen 4 | remark | extLen  4 | fields |
/// +--------+----------+---------+----------+--------+-------------+--------+-----------+--------+
/// field: keyLen 2, key, valueLen 4, value; all integers big-endian, texts UTF-8
/// ```
enum CompactHeader {
    /// The bytes of everything but remark and fields.
    private static let fixedBytes = 21

    /// The longest name of a field: its length has 15 bits. A name that is no text grows where it is mended, up to three
    /// times, and could not be written again.
    static let longestNameBytes = Int(Int16.max)

    /// Reads a header from exactly the header's bytes.
    static func decode(_ bytes: UnsafeRawBufferPointer) throws(FrameError) -> RemotingCommand {
        var header = ByteCursor(bytes)
        guard let code = header.integer(as: Int16.self), let language = header.integer(as: UInt8.self),
            let version = header.integer(as: Int16.self), let opaque = header.integer(as: Int32.self),
            let flag = header.integer(as: Int32.self), let remarkLength = header.integer(as: Int32.self),
            let remark = header.string(Int(remarkLength)), let fieldsLength = header.integer(as: Int32.self),
            var fieldBytes = header.part(Int(fieldsLength))
        else { throw FrameError.malformedHeader(reason: "the compact header is cut short") }
        var fields = ExtFields()
        if !fieldBytes.isAtEnd { fields.reserve(ExtFields.usualCount) }
        var count = 0
        while !fieldBytes.isAtEnd {
            guard let keyLength = fieldBytes.integer(as: Int16.self), let key = fieldBytes.string(Int(keyLength)),
                let valueLength = fieldBytes.integer(as: Int32.self), let value = fieldBytes.string(Int(valueLength))
            else { throw FrameError.malformedHeader(reason: "a field of the compact header is cut short") }
            guard key.utf8.count <= longestNameBytes else {
                throw FrameError.malformedHeader(reason: "a field's name has \(key.utf8.count) bytes as text")
            }
            count += 1
            guard count <= ExtFields.readLimit else {
                throw FrameError.malformedHeader(reason: "it has more than \(ExtFields.readLimit) fields")
            }
            fields.set(key, value)
        }
        return RemotingCommand(
            code: Int32(code), language: LanguageCode(rawValue: language), version: Int32(version), opaque: opaque,
            flag: flag, remark: remark.isEmpty ? nil : remark, extFields: fields, serializeType: .rocketmq)
    }

    /// Appends the header; code and version are cut to the 16 bits that the layout has. A field whose name has more than
    /// ``longestNameBytes``, which only a header of the other kind can have brought, is left out.
    static func encode(_ command: RemotingCommand, into buffer: inout ByteBuffer) {
        let remark = command.remark ?? ""
        let fields = command.extFields.pairs
        let isWritable = fields.allSatisfy { $0.key.utf8.count <= longestNameBytes }
        let pairs = isWritable ? fields : fields.filter { $0.key.utf8.count <= longestNameBytes }
        let fieldBytes = pairs.reduce(0) { $0 + 6 + $1.key.utf8.count + $1.value.utf8.count }
        let size = fixedBytes + remark.utf8.count + fieldBytes
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { bytes in
            var header = ByteWriter(bytes)
            header.integer(Int16(truncatingIfNeeded: command.code))
            header.integer(command.language.rawValue)
            header.integer(Int16(truncatingIfNeeded: command.version))
            header.integer(command.opaque)
            header.integer(command.flag)
            header.integer(Int32(remark.utf8.count))
            header.string(remark)
            header.integer(Int32(fieldBytes))
            for (key, value) in pairs {
                header.integer(Int16(key.utf8.count))
                header.string(key)
                header.integer(Int32(value.utf8.count))
                header.string(value)
            }
            return header.count
        }
    }
}

/// Reads numbers and texts from memory, one behind the other; what does not fit the rest is `nil`.
private struct ByteCursor {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func integer<Value: FixedWidthInteger>(as type: Value.Type) -> Value? {
        let end = position + MemoryLayout<Value>.size
        guard end <= bytes.count else { return nil }
        defer { position = end }
        return Value(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: type))
    }

    private mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
        guard count >= 0, count <= bytes.count - position else { return nil }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)])
    }

    mutating func string(_ count: Int) -> String? { take(count).map { String(decoding: $0, as: UTF8.self) } }

    mutating func part(_ count: Int) -> ByteCursor? { take(count).map { ByteCursor($0) } }
}
