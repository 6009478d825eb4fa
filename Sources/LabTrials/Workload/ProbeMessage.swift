public import LabHistory
public import MQClient

/// The messages of a trial: each says of itself which run and which value it is, and its body can be told from any
/// damaged one.
///
///     key       p0-12
///     property  SEATRIAL_RUN = <run id>
///     body      <run id>/p0-12/ and pseudo-random bytes up to the wanted size
public struct ProbeMessage: Sendable {
    public static let runProperty = "SEATRIAL_RUN"

    public var runID: String
    public var topic: String
    public var bodyBytes: Int
    public var seed: UInt64

    public init(runID: String, topic: String, bodyBytes: Int, seed: UInt64) {
        self.runID = runID
        self.topic = topic
        self.bodyBytes = bodyBytes
        self.seed = seed
    }

    public func message(_ value: ValueID) -> Message {
        Message(
            topic: topic, body: body(value), tags: nil, keys: [value.description],
            properties: [Self.runProperty: runID])
    }

    /// The same value has the same body in every run of the same seed and id.
    public func body(_ value: ValueID) -> [UInt8] {
        var bytes = Array("\(runID)/\(value)/".utf8)
        var random = SplitMix64(
            state: seed ^ (UInt64(value.producer) << 48) ^ UInt64(value.sequence))
        while bytes.count < bodyBytes {
            // Printable, so that a log or a packet trace can be read with the naked eye.
            bytes.append(UInt8(ascii: "a") + UInt8(random.next() % 26))
        }
        return bytes
    }
}

/// Steele, Lea, Flood 2014: a small generator that is good enough for payloads and choices, and repeats by its seed.
public struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(state: UInt64) { self.state = state }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
