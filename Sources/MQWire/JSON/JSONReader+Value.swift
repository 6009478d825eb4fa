extension JSONReader {
    /// Any value.
    mutating func value(depth: Int = 0) throws(JSONError) -> JSONValue {
        guard depth < Self.depthLimit else { throw failure("at most \(Self.depthLimit) levels") }
        switch peek() {
        case UInt8(ascii: "{"): return .object(try object(depth: depth))
        case UInt8(ascii: "["): return .array(try array(depth: depth))
        case UInt8(ascii: "\""): return .string(try string())
        case nil: throw failure("a value")
        default: return scalar(try bareToken())
        }
    }

    private func scalar(_ token: String) -> JSONValue {
        switch token {
        case "null": return .null
        case "true": return .bool(true)
        case "false": return .bool(false)
        default:
            if let integer = Int64(token) { return .integer(integer) }
            if let number = Double(token), number.isFinite { return .number(number) }
            return .string(token)
        }
    }

    private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
        try expect(UInt8(ascii: "["))
        var elements: [JSONValue] = []
        if take(UInt8(ascii: "]")) { return elements }
        while true {
            elements.append(try value(depth: depth + 1))
            if take(UInt8(ascii: "]")) { return elements }
            guard take(UInt8(ascii: ",")) else { throw failure("',' or ']'") }
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> [JSONMember] {
        try expect(UInt8(ascii: "{"))
        var members: [JSONMember] = []
        if take(UInt8(ascii: "}")) { return members }
        while true {
            let name = try key(depth: depth)
            try expect(UInt8(ascii: ":"))
            members.append(JSONMember(name, try value(depth: depth + 1)))
            if take(UInt8(ascii: "}")) { return members }
            guard take(UInt8(ascii: ",")) else { throw failure("',' or '}'") }
        }
    }

    /// A key: quoted, bare, or a nested object, which becomes its own strict text.
    ///
    /// Such an object's own keys are plain: the text of a text of a text doubles its backslashes each time, and two
    /// hundred bytes would become more than any memory holds.
    mutating func key(depth: Int = 0) throws(JSONError) -> String {
        switch peek() {
        case UInt8(ascii: "\""): return try string()
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard !isInKey else { throw failure("a plain key inside a key") }
            isInKey = true
            defer { isInKey = false }
            return try value(depth: depth + 1).text
        default: return try bareToken()
        }
    }

    /// Passes over any value without building it.
    mutating func skipValue(depth: Int = 0) throws(JSONError) {
        if plainString() != nil { return }
        _ = try value(depth: depth)
    }
}
