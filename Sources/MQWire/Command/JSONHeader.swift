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
            let member = try Member(&reader)
            try reader.expect(UInt8(ascii: ":"))
            switch member {
            case .code:
                command.code = try int32(&reader)
                hasCode = true
            case .flag: command.flag = try int32(&reader)
            case .opaque: command.opaque = try int32(&reader)
            case .version: command.version = try int32(&reader)
            case .language: command.language = language(try scalar(&reader))
            case .remark:
                let remark = try scalar(&reader)
                command.remark = remark.flatMap { $0.isEmpty ? nil : $0 }
            case .extFields: try fields(&reader, into: &command.extFields, count: &fieldCount)
            case .other: try reader.skipValue()
            }
        } while reader.take(UInt8(ascii: ","))
        try reader.expect(UInt8(ascii: "}"))
        guard hasCode else { throw reader.failure("a member 'code'") }
        return command
    }

    /// A member of the header by its name.
    private enum Member {
        case code, flag, opaque, version, language, remark, extFields, other

        /// Reads a name; one without escapes is compared where it stands.
        init(_ reader: inout JSONReader) throws(JSONError) {
            guard let plain = reader.plainString() else {
                self.init(name: try reader.key())
                return
            }
            self.init(bytes: UnsafeRawBufferPointer(rebasing: reader.bytes[plain]))
        }

        private init(name: String) {
            var name = name
            self = name.withUTF8 { Member(bytes: UnsafeRawBufferPointer($0)) }
        }

        private init(bytes: UnsafeRawBufferPointer) {
            func isSame(_ name: StaticString) -> Bool {
                bytes.count == name.utf8CodeUnitCount
                    && bytes.elementsEqual(
                        UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
            }
            switch bytes.first {
            case UInt8(ascii: "c") where isSame("code"): self = .code
            case UInt8(ascii: "f") where isSame("flag"): self = .flag
            case UInt8(ascii: "o") where isSame("opaque"): self = .opaque
            case UInt8(ascii: "v") where isSame("version"): self = .version
            case UInt8(ascii: "l") where isSame("language"): self = .language
            case UInt8(ascii: "r") where isSame("remark"): self = .remark
            case UInt8(ascii: "e") where isSame("extFields"): self = .extFields
            default: self = .other
            }
        }
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
        fields.reserve(ExtFields.usualCount)
        repeat {
            count += 1
            guard count <= ExtFields.readLimit else { throw reader.failure("at most \(ExtFields.readLimit) fields") }
            let key = try reader.key()
            try reader.expect(UInt8(ascii: ":"))
            if let value = try scalar(&reader) { fields.set(key, value) }
        } while reader.take(UInt8(ascii: ","))
        try reader.expect(UInt8(ascii: "}"))
    }

    /// Appends the header's text, members in the order in which Apache writes them.
    static func encode(_ command: RemotingCommand, into buffer: inout ByteBuffer) {
        let fixed = 160 + 4 * JSONWriter.integerBytes
        var longest = fixed + (command.remark.map(JSONWriter.longest) ?? 0)
        for (key, value) in command.extFields.pairs {
            longest += JSONWriter.longest(key) + JSONWriter.longest(value) + 2
        }
        buffer.writeJSON(longest: longest) { json in
            json.literal("{\"code\":")
            json.integer(command.code)
            if !command.extFields.isEmpty { write(command.extFields, to: &json) }
            json.literal(",\"flag\":")
            json.integer(command.flag)
            json.literal(",\"language\":")
            json.string(command.language.description)
            json.literal(",\"opaque\":")
            json.integer(command.opaque)
            if let remark = command.remark {
                json.literal(",\"remark\":")
                json.string(remark)
            }
            json.literal(",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":")
            json.integer(command.version)
            json.byte(UInt8(ascii: "}"))
        }
    }

    private static func write(_ fields: ExtFields, to json: inout JSONWriter) {
        json.literal(",\"extFields\":{")
        var isFirst = true
        for (key, value) in fields.pairs {
            if !isFirst { json.byte(UInt8(ascii: ",")) }
            isFirst = false
            json.string(key)
            json.byte(UInt8(ascii: ":"))
            json.string(value)
        }
        json.byte(UInt8(ascii: "}"))
    }
}
