/// What a broker tells a nameserver with request 103.
public struct RegisterBrokerBody: JSONBody, Equatable {
    /// The broker's topics; slaves send theirs too.
    public var table: TopicConfigTable
    /// Filter servers beside the broker; a feature of old.
    public var filterServers: [String]

    /// A registration.
    public init(table: TopicConfigTable, filterServers: [String] = []) {
        self.table = table
        self.filterServers = filterServers
    }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        guard let wrapper = json["topicConfigSerializeWrapper"] else {
            throw Self.missing("topicConfigSerializeWrapper")
        }
        table = try TopicConfigTable(json: wrapper)
        filterServers = json["filterServerList"]?.arrayValue?.compactMap(\.stringValue) ?? []
    }

    /// The value.
    public var json: JSONValue {
        [
            "filterServerList": .array(filterServers.map { .string($0) }),
            "topicConfigSerializeWrapper": table.json,
        ]
    }
}
