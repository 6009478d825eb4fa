/// Texts by name, `{"table":{name:text}}`: the answers to requests 28 (a broker's figures) and 219 (a namespace).
public struct TextTable: JSONBody, Equatable {
    /// The texts.
    public var texts: [String: String]

    /// A table.
    public init(_ texts: [String: String]) { self.texts = texts }

    /// Reads the value; what is no text becomes one.
    public init(json: JSONValue) throws(BodyError) {
        guard let members = json["table"]?.objectValue else { throw Self.missing("table") }
        texts = Dictionary(
            members.map { ($0.key, $0.value.stringValue ?? $0.value.text) }, uniquingKeysWith: { $1 })
    }

    /// The value, by name.
    public var json: JSONValue {
        ["table": .object(texts.sorted { $0.key < $1.key }.map { JSONMember($0.key, .string($0.value)) })]
    }
}
