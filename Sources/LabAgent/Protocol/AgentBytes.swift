import FoundationEssentials

/// Bytes that travel as base64 in the protocol's JSON.
public struct AgentBytes: Codable, Sendable, Equatable {
    /// The bytes themselves.
    public var bytes: [UInt8]

    /// Wraps bytes for the way.
    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let data = Data(base64Encoded: text) else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "not base64"))
        }
        bytes = Array(data)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(Data(bytes).base64EncodedString())
    }
}
