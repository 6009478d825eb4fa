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
    /// Reads a header from exactly the header's bytes.
    static func decode(_ header: ByteBuffer) throws(FrameError) -> RemotingCommand {
        var header = header
        guard let code = header.readInteger(as: Int16.self), let language = header.readInteger(as: UInt8.self),
            let version = header.readInteger(as: Int16.self), let opaque = header.readInteger(as: Int32.self),
            let flag = header.readInteger(as: Int32.self), let remarkLength = header.readInteger(as: Int32.self),
            remarkLength >= 0, let remark = header.readString(length: Int(remarkLength)),
            let fieldsLength = header.readInteger(as: Int32.self), fieldsLength >= 0,
            var fieldBytes = header.readSlice(length: Int(fieldsLength))
        else { throw FrameError.malformedHeader(reason: "the compact header is cut short") }
        var fields = ExtFields()
        var count = 0
        while fieldBytes.readableBytes > 0 {
            guard let keyLength = fieldBytes.readInteger(as: Int16.self), keyLength >= 0,
                let key = fieldBytes.readString(length: Int(keyLength)),
                let valueLength = fieldBytes.readInteger(as: Int32.self), valueLength >= 0,
                let value = fieldBytes.readString(length: Int(valueLength))
            else { throw FrameError.malformedHeader(reason: "a field of the compact header is cut short") }
            count += 1
            guard count <= ExtFields.readLimit else {
                throw FrameError.malformedHeader(reason: "it has more than \(ExtFields.readLimit) fields")
            }
            fields[key] = value
        }
        return RemotingCommand(
            code: Int32(code), language: LanguageCode(rawValue: language), version: Int32(version), opaque: opaque,
            flag: flag, remark: remark.isEmpty ? nil : remark, extFields: fields, serializeType: .rocketmq)
    }

    /// Appends the header; code and version are cut to the 16 bits that the layout has.
    static func encode(_ command: RemotingCommand, into buffer: inout ByteBuffer) {
        buffer.writeInteger(Int16(truncatingIfNeeded: command.code))
        buffer.writeInteger(command.language.rawValue)
        buffer.writeInteger(Int16(truncatingIfNeeded: command.version))
        buffer.writeInteger(command.opaque)
        buffer.writeInteger(command.flag)
        let remark = command.remark ?? ""
        buffer.writeInteger(Int32(remark.utf8.count))
        buffer.writeString(remark)
        let lengthIndex = buffer.writerIndex
        buffer.writeInteger(Int32(0))
        for (key, value) in command.extFields.pairs {
            buffer.writeInteger(Int16(truncatingIfNeeded: key.utf8.count))
            buffer.writeString(key)
            buffer.writeInteger(Int32(value.utf8.count))
            buffer.writeString(value)
        }
        buffer.setInteger(Int32(buffer.writerIndex - lengthIndex - 4), at: lengthIndex)
    }
}
