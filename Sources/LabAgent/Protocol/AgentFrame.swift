import FoundationEssentials

/// Frames of the agent's channel: a length and a JSON document.
///
///     +----------------------+------------------+
///     | length, 4 bytes, BE  | JSON, `length` B |
///     +----------------------+------------------+
///
/// A length above ``AgentLimits/frameBytes`` can't be skipped safely, so it ends the channel.
public struct AgentFrameDecoder: Sendable {
    private var buffer: [UInt8] = []
    private var start = 0

    /// An empty decoder.
    public init() {}

    /// Takes bytes as they came, in pieces of any size.
    public mutating func feed(_ bytes: [UInt8]) {
        if start > 0, start == buffer.count || start > 1 << 16 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole frame's body, or nil until more bytes come.
    ///
    /// Throws ``AgentFailure`` `frameTooLarge`, after which the channel can't be used any more.
    public mutating func next() throws(AgentFailure) -> [UInt8]? {
        guard buffer.count - start >= 4 else { return nil }
        var length = 0
        for index in 0..<4 { length = length << 8 | Int(buffer[start + index]) }
        guard length <= AgentLimits.frameBytes else {
            throw AgentFailure(
                .frameTooLarge, "a frame of \(length) bytes is over the limit of \(AgentLimits.frameBytes)")
        }
        guard buffer.count - start >= 4 + length else { return nil }
        let body = Array(buffer[(start + 4)..<(start + 4 + length)])
        start += 4 + length
        return body
    }

    /// Whether bytes of an unfinished frame are held: at the channel's end this means it was cut.
    public var isMidFrame: Bool { buffer.count > start }
}

/// Encoding of frames.
enum AgentFrame {
    /// One frame around a JSON document of `value`.
    static func encode(_ value: some Encodable) throws(AgentFailure) -> [UInt8] {
        let body: Data
        do { body = try JSONEncoder().encode(value) } catch {
            throw AgentFailure(.badRequest, "the message can't be written as JSON: \(error)")
        }
        guard body.count <= AgentLimits.frameBytes else {
            throw AgentFailure(
                .frameTooLarge, "a frame of \(body.count) bytes is over the limit of \(AgentLimits.frameBytes)")
        }
        let length = UInt32(body.count)
        var frame: [UInt8] = []
        frame.reserveCapacity(4 + body.count)
        for shift in stride(from: 24, through: 0, by: -8) {
            frame.append(UInt8(truncatingIfNeeded: length >> UInt32(shift)))
        }
        frame.append(contentsOf: body)
        return frame
    }

    /// The value in a frame's body.
    static func decode<T: Decodable>(_ type: T.Type, from body: [UInt8]) throws(AgentFailure) -> T {
        do { return try JSONDecoder().decode(type, from: Data(body)) } catch {
            throw AgentFailure(.badRequest, "a frame holds no \(type): \(error)")
        }
    }
}
