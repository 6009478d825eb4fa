public import MQWire

/// Why a request got no answer, or a server no port.
///
/// The cases tell a caller what it most needs to know: whether the request may have been carried out.
/// See ``isCertainlyNotSent``.
public enum TransportError: Error, Equatable, Sendable, CustomStringConvertible {
    /// An address is no `host:port`.
    case invalidAddress(String)
    /// The server could not listen.
    case bindFailed(address: String, reason: String)
    /// No connection came about; nothing was sent.
    case connectFailed(address: String, reason: String)
    /// There was a connection, but the request never reached it.
    case notSent(address: String, reason: String)
    /// Sent, and no answer within the time: it may have been carried out.
    case timedOut(address: String, request: RequestCode, after: Duration)
    /// Sent, and the connection ended before an answer: it may have been carried out.
    case connectionLost(address: String, request: RequestCode)

    /// Whether no byte of the request can have reached the peer, so that trying elsewhere repeats nothing.
    public var isCertainlyNotSent: Bool {
        switch self {
        case .invalidAddress, .bindFailed, .connectFailed, .notSent: true
        case .timedOut, .connectionLost: false
        }
    }

    /// A label without dynamic text, for metrics.
    public var label: String {
        switch self {
        case .invalidAddress: "invalid address"
        case .bindFailed: "bind failed"
        case .connectFailed: "connect failed"
        case .notSent: "not sent"
        case .timedOut: "timed out"
        case .connectionLost: "connection lost"
        }
    }

    /// One line: what, where, why.
    public var description: String {
        switch self {
        case .invalidAddress(let text): "'\(text)' is no address (expected host:port, such as 10.0.0.1:9876)"
        case .bindFailed(let address, let reason): "cannot listen on \(address): \(reason)"
        case .connectFailed(let address, let reason): "cannot connect to \(address): \(reason)"
        case .notSent(let address, let reason): "not sent to \(address): \(reason)"
        case .timedOut(let address, let request, let time):
            "\(address) did not answer \(request) within \(time)"
        case .connectionLost(let address, let request):
            "the connection to \(address) ended before \(request) was answered"
        }
    }
}
