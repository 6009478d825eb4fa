public import MQWire
import NIOCore

/// The limits of one connection; each bounds memory that a peer could otherwise grow.
public struct ConnectionLimits: Sendable {
    /// The longest frame read.
    public var frameBytes: Int
    /// Requests of the peer that may be unanswered, held pulls included; above, reading pauses.
    public var requestsInFlight: Int
    /// Our own requests that may be unanswered; above, a call fails as not sent.
    public var callsInFlight: Int
    /// Silence in both directions after which the connection is closed; `nil` never. Source: Apache's 120 s.
    public var idleTimeout: Duration?
    /// How long a frame may take from its first byte to its last before the connection is closed; `nil` for ever.
    public var frameTimeout: Duration?
    /// Whether a time-out ends the connection if nothing at all came from the peer since the request was sent.
    ///
    /// After a partition heals, TCP repeats what it could not deliver only at the end of a back-off that has grown
    /// meanwhile; a new connection works at once. For clients only: a server cannot connect anew. Source: Apache's
    /// `clientCloseSocketIfTimeout`.
    public var closesSilentConnections: Bool

    /// The defaults.
    public init(
        frameBytes: Int = FrameCodec.limitBytes, requestsInFlight: Int = 16_384, callsInFlight: Int = 65_536,
        idleTimeout: Duration? = .seconds(120), frameTimeout: Duration? = .seconds(60),
        closesSilentConnections: Bool = true
    ) {
        self.frameBytes = frameBytes
        self.requestsInFlight = requestsInFlight
        self.callsInFlight = callsInFlight
        self.idleTimeout = idleTimeout
        self.frameTimeout = frameTimeout
        self.closesSilentConnections = closesSilentConnections
    }

    /// Above so many bytes that the kernel has not taken, a connection's reading pauses; below the lower ones it goes on.
    ///
    /// NIO's 64 KiB would pause it at each full answer to a pull, of 256 KiB and more. Source of the upper one:
    /// ``AnswerGate/limitBytes``.
    static var waterMark: ChannelOptions.Types.WriteBufferWaterMark {
        .init(low: AnswerGate.limitBytes / 4, high: AnswerGate.limitBytes)
    }
}
