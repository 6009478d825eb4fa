import NIOCore

/// The JSON header of a frame (type 0), read and written by hand since every message passes here.
enum JSONHeader {
    /// Reads a header; unknown members are passed over, fields of any scalar type become strings.
    static func decode(_ bytes: UnsafeRawBufferPointer) throws(FrameError) -> RemotingCommand {
        do throws(JSONError) {
            return try decodeJSON(bytes)
        } catch {
            throw FrameError.malformedHeader(reason: error.description)
        }
    }

    private static func decodeJSON(_ bytes: UnsafeRawBufferPointer) throws(JSONError) -> RemotingCommand {
        var reader = JSONReader(bytes)
        var command = RemotingCommand(code: 0, version: 0, serializeType: .json)
        try reader.expect(UInt8(ascii: "{"))
        guard !reader.take(UInt8(ascii: "}")) else { throw reader.failure("a member 'code'") }
        var hasCode = false
        var fieldCount = 0
        repeat {
            let key = try reader.key()
            try reader.expect(UInt8(ascii: ":"))
            switch key {
            case "code":
                command.code = try int32(&reader)
                hasCode = true
            case "flag": command.flag = try int32(&reader)
            case "opaque": command.opaque = try int32(&reader)
            case "version": command.version = try int32(&reader)
            case "language": command.language = language(try scalar(&reader))
            case "remark":
                let remark = try scalar(&reader)
                command.remark = remark.flatMap { $0.isEmpty ? nil : $0 }
            case "extFields": try fields(&reader, into: &command.extFields, count: &fieldCount)
            default: try reader.skipValue()
            }
        } while reader.take(UInt8(ascii: ","))
        try reader.expect(UInt8(ascii: "}"))
        guard hasCode else { throw reader.failure("a member 'code'") }
        return command
    }

    private static func int32(_ reader: inout JSONReader) throws(JSONError) -> Int32 {
        let start = reader.position
        guard let value = Int32(exactly: try reader.integer()) else {
            throw JSONError(offsetBytes: start, expected: "an integer of 32 bits")
        }
        return value
    }

    private static func language(_ text: String?) -> LanguageCode {
        guard let text else { return .other }
        return UInt8(text).map { LanguageCode(number: $0) } ?? LanguageCode(name: text)
    }

    /// A scalar's text; `nil` for `null`.
    private static func scalar(_ reader: inout JSONReader) throws(JSONError) -> String? {
        switch reader.peek() {
        case UInt8(ascii: "\""): return try reader.string()
        case UInt8(ascii: "{"), UInt8(ascii: "["): return try reader.value().text
        default:
            let token = try reader.bareToken()
            return token == "null" ? nil : token
        }
    }

    /// - Parameter count: the fields of this header so far: the member may stand there more than once.
    private static func fields(
        _ reader: inout JSONReader, into fields: inout ExtFields, count: inout Int
    ) throws(JSONError) {
        guard reader.peek() == UInt8(ascii: "{") else {
            try reader.skipValue()
            return
        }
        try reader.expect(UInt8(ascii: "{"))
        if reader.take(UInt8(ascii: "}")) { return }
        repeat {
            count += 1
            guard count <= ExtFields.readLimit else { throw reader.failure("at most \(ExtFields.readLimit) fields") }
            let key = try reader.key()
            try reader.expect(UInt8(ascii: ":"))
            if let value = try scalar(&reader) { fields[key] = value }
        } while reader.take(UInt8(ascii: ","))
        try reader.expect(UInt8(ascii: "}"))
    }

    /// Appends the header's text, members in the order in which Apache writes them.
    static func encode(_ command: RemotingCommand, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"code\":")
        buffer.writeString(String(command.code))
        if !command.extFields.isEmpty {
            buffer.writeStaticString(",\"extFields\":{")
            var isFirst = true
            for (key, value) in command.extFields.pairs {
                if !isFirst { buffer.writeInteger(UInt8(ascii: ",")) }
                isFirst = false
                buffer.writeJSONString(key)
                buffer.writeInteger(UInt8(ascii: ":"))
                buffer.writeJSONString(value)
            }
            buffer.writeInteger(UInt8(ascii: "}"))
        }
        buffer.writeStaticString(",\"flag\":")
        buffer.writeString(String(command.flag))
        buffer.writeStaticString(",\"language\":\"")
        buffer.writeString(command.language.description)
        buffer.writeStaticString("\",\"opaque\":")
        buffer.writeString(String(command.opaque))
        if let remark = command.remark {
            buffer.writeStaticString(",\"remark\":")
            buffer.writeJSONString(remark)
        }
        buffer.writeStaticString(",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":")
        buffer.writeString(String(command.version))
        buffer.writeInteger(UInt8(ascii: "}"))
    }
}
