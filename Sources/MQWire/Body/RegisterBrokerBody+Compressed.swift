public import NIOCore

extension RegisterBrokerBody {
    /// What a compressed body may unpack to, in bytes: some hundred thousand topics.
    public static let inflatedLimitBytes = 64 << 20

    /// Reads the compressed form: a zlib stream with a layout of its own.
    ///
    /// ```
    /// +--------+-----------------+---------+--------------------+--------+-------------------+
    /// | size 4 | version as JSON | count 4 | size 4 + topic … | size 4 | filter servers as JSON |
    /// +--------+-----------------+---------+--------------------+--------+-------------------+
    /// a topic: name, read queues, write queues, permission and filter type, separated by blanks
    /// ```
    /// Source: RocketMQ 4.9 `RegisterBrokerBody.encode(true)`.
    public init(compressed buffer: ByteBuffer?) throws(BodyError) {
        var plain: ByteBuffer
        do throws(ZlibError) {
            plain = try Zlib.inflate(buffer ?? ByteBuffer(), limitBytes: Self.inflatedLimitBytes)
        } catch {
            throw BodyError(body: "RegisterBrokerBody", reason: error.description)
        }
        func part(_ name: String) throws(BodyError) -> ByteBuffer {
            guard let size = plain.readInteger(as: Int32.self), size >= 0, let part = plain.readSlice(length: Int(size))
            else { throw Self.missing(name) }
            return part
        }
        let version = try DataVersion(decoding: try part("dataVersion"))
        guard let count = plain.readInteger(as: Int32.self), count >= 0 else { throw Self.missing("topic count") }
        var topics: [String: TopicConfig] = [:]
        for _ in 0..<count {
            let line = String(buffer: try part("topic"))
            guard let topic = TopicConfig(line: line) else {
                throw BodyError(body: "RegisterBrokerBody", reason: "'\(line)' is no topic")
            }
            topics[topic.name] = topic
        }
        self.init(table: TopicConfigTable(topics: topics, dataVersion: version))
        let servers = try part("filterServerList")
        filterServers = (try? JSONValue(parsing: servers))?.arrayValue?.compactMap(\.stringValue) ?? []
    }

    /// The compressed form.
    public func compressed() -> ByteBuffer {
        var plain = ByteBuffer()
        func write(_ part: ByteBuffer) {
            plain.writeInteger(Int32(part.readableBytes))
            plain.writeImmutableBuffer(part)
        }
        write(table.dataVersion.encoded())
        plain.writeInteger(Int32(table.topics.count))
        for topic in table.topics.values.sorted(by: { $0.name < $1.name }) { write(ByteBuffer(string: topic.line)) }
        write(JSONValue.array(filterServers.map { .string($0) }).encoded())
        return Zlib.deflate(plain)
    }
}

extension TopicConfig {
    /// Reads the form with blanks.
    fileprivate init?(line: String) {
        let parts = line.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count >= 4, !parts[0].isEmpty, let reads = Int32(parts[1]), let writes = Int32(parts[2]),
            let permission = Int32(parts[3])
        else { return nil }
        self.init(
            name: String(parts[0]), readQueueNums: reads, writeQueueNums: writes,
            permission: TopicPermission(rawValue: permission),
            filterType: parts.count > 4 ? String(parts[4]) : "SINGLE_TAG")
    }

    fileprivate var line: String {
        "\(name) \(readQueueNums) \(writeQueueNums) \(permission.rawValue) \(filterType)"
    }
}
