extension YAMLNode {
    /// Decodes what stands here.
    ///
    /// Scalars are taken by their text: a number or a word is text where text is asked for, and quotes around a number
    /// do not hinder.
    /// - Throws: `YAMLMistake` with the line of the value that could not be taken.
    public func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws(YAMLMistake) -> Value {
        do {
            return try NodeDecoder(node: self, codingPath: []).value(type)
        } catch let error as DecodingError {
            throw mistake(error)
        } catch let mistake as YAMLMistake {
            throw mistake
        } catch {
            throw YAMLMistake(.value, line: line, "\(error)")
        }
    }

    private func mistake(_ error: DecodingError) -> YAMLMistake {
        switch error {
        case .keyNotFound(let key, let context):
            let place = Self.shown(context.codingPath)
            return YAMLMistake(
                .missing, line: line(of: context.codingPath),
                "'\(key.stringValue)' is missing\(place.isEmpty ? "" : " in \(place)"); add it")
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            let place = Self.shown(context.codingPath)
            return YAMLMistake(
                .value, line: line(of: context.codingPath),
                (place.isEmpty ? "" : "'\(place)': ") + context.debugDescription)
        @unknown default: return YAMLMistake(.value, line: line, "\(error)")
        }
    }

    /// `brokers[0].name`
    private static func shown(_ path: [any CodingKey]) -> String {
        path.reduce(into: "") { text, key in
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += (text.isEmpty ? "" : ".") + key.stringValue
            }
        }
    }

    private func line(of path: [any CodingKey]) -> Int {
        var node = self
        for key in path {
            if let index = key.intValue, let sequence = node.sequence, sequence.indices.contains(index) {
                node = sequence[index]
            } else if let next = node[key.stringValue] {
                node = next
            } else {
                break
            }
        }
        return node.line
    }
}

/// One node as Swift's decoding sees it.
private struct NodeDecoder: Decoder, SingleValueDecodingContainer {
    let node: YAMLNode
    let codingPath: [any CodingKey]
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard let entries = node.mapping else { throw mismatch("expected 'key: value' lines") }
        return KeyedDecodingContainer(MappingContainer(entries: entries, codingPath: codingPath))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard let items = node.sequence else { throw mismatch("expected a list (lines that begin with '- ')") }
        return SequenceContainer(items: items, codingPath: codingPath)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { self }

    func decodeNil() -> Bool { node.isNull }

    func decode(_ type: Bool.Type) throws -> Bool {
        guard case .bool(let value)? = node.scalar?.value else { throw mismatch("expected true or false") }
        return value
    }

    func decode(_ type: String.Type) throws -> String {
        guard let text = node.text, !node.isNull else { throw mismatch("expected text") }
        return text
    }

    func decode(_ type: Double.Type) throws -> Double {
        switch unquoted?.value {
        case .double(let value)?: return value
        case .int(let value)?: return Double(value)
        default: throw mismatch("expected a number")
        }
    }

    func decode(_ type: Float.Type) throws -> Float { Float(try decode(Double.self)) }
    func decode(_ type: Int.Type) throws -> Int { try integer() }
    func decode(_ type: Int8.Type) throws -> Int8 { try integer() }
    func decode(_ type: Int16.Type) throws -> Int16 { try integer() }
    func decode(_ type: Int32.Type) throws -> Int32 { try integer() }
    func decode(_ type: Int64.Type) throws -> Int64 { try integer() }
    func decode(_ type: UInt.Type) throws -> UInt { try integer() }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try integer() }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try integer() }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try integer() }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try integer() }
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try value(type) }

    func value<Value: Decodable>(_ type: Value.Type) throws -> Value {
        do {
            return try Value(from: self)
        } catch DecodingError.dataCorrupted(let context) {
            // Of a word that is none of an enumeration's, Swift tells the type; people want to know the words.
            guard context.codingPath.count == codingPath.count, let known = Self.words(of: type) else {
                throw DecodingError.dataCorrupted(context)
            }
            let found = Nearest.shown(node.text ?? "")
            throw mismatch("expected one of \(known.joined(separator: ", ")); found '\(found)'")
        }
    }

    private static func words(of type: Any.Type) -> [String]? {
        guard let type = type as? any CaseIterable.Type else { return nil }
        let words = cases(type).compactMap { ($0 as? any RawRepresentable)?.rawValue as? String }
        return words.isEmpty ? nil : words
    }

    private static func cases<Type: CaseIterable>(_ type: Type.Type) -> [Any] { Array(type.allCases) }

    private var unquoted: YAMLScalar? { node.scalar.map { YAMLScalar(text: $0.text, isPlain: true) } }

    private func integer<Value: FixedWidthInteger>() throws -> Value {
        guard case .int(let value)? = unquoted?.value else { throw mismatch("expected a whole number") }
        guard let exact = Value(exactly: value) else {
            throw mismatch("expected a whole number from \(Value.min) to \(Value.max)")
        }
        return exact
    }

    private func mismatch(_ text: String) -> DecodingError {
        .dataCorrupted(.init(codingPath: codingPath, debugDescription: text))
    }
}

private struct MappingContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let entries: [YAMLNode.Entry]
    let codingPath: [any CodingKey]

    var allKeys: [Key] { entries.compactMap { $0.key.text.flatMap { Key(stringValue: $0) } } }

    func contains(_ key: Key) -> Bool { node(key) != nil }

    func decodeNil(forKey key: Key) throws -> Bool { try decoder(key).decodeNil() }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        try decoder(key).value(type)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
        try decoder(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try decoder(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder {
        NodeDecoder(
            node: YAMLNode(content: .mapping(entries), line: entries.first?.key.line ?? 1), codingPath: codingPath)
    }

    func superDecoder(forKey key: Key) throws -> any Decoder { try decoder(key) }

    private func node(_ key: Key) -> YAMLNode? { entries.first { $0.key.text == key.stringValue }?.value }

    private func decoder(_ key: Key) throws -> NodeDecoder {
        guard let node = node(key) else {
            throw DecodingError.keyNotFound(key, .init(codingPath: codingPath, debugDescription: "is missing"))
        }
        return NodeDecoder(node: node, codingPath: codingPath + [key])
    }
}

private struct SequenceContainer: UnkeyedDecodingContainer {
    let items: [YAMLNode]
    let codingPath: [any CodingKey]
    var currentIndex = 0

    init(items: [YAMLNode], codingPath: [any CodingKey]) {
        self.items = items
        self.codingPath = codingPath
    }

    var count: Int? { items.count }
    var isAtEnd: Bool { currentIndex >= items.count }

    mutating func decodeNil() throws -> Bool {
        guard !isAtEnd, items[currentIndex].isNull else { return false }
        currentIndex += 1
        return true
    }

    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        let value = try current().value(type)
        currentIndex += 1
        return value
    }

    mutating func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type
    ) throws -> KeyedDecodingContainer<Nested> {
        let container = try current().container(keyedBy: type)
        currentIndex += 1
        return container
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        let container = try current().unkeyedContainer()
        currentIndex += 1
        return container
    }

    mutating func superDecoder() throws -> any Decoder {
        let decoder = try current()
        currentIndex += 1
        return decoder
    }

    private func current() throws -> NodeDecoder {
        let key = IndexKey(intValue: currentIndex)
        guard !isAtEnd else {
            throw DecodingError.valueNotFound(
                YAMLNode.self, .init(codingPath: codingPath, debugDescription: "the list is too short"))
        }
        return NodeDecoder(node: items[currentIndex], codingPath: codingPath + [key])
    }
}

private struct IndexKey: CodingKey {
    let index: Int
    var intValue: Int? { index }
    var stringValue: String { String(index) }

    init(intValue: Int) { index = intValue }
    init?(stringValue: String) { return nil }
}
