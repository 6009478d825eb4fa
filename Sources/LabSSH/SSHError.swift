/// A failed SSH operation: what went wrong, with which host, and what to do about it.
///
/// `description` is one line, ready to be shown to a person. `code` is what a program decides by.
public struct SSHError: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure; the label holds no dynamic text, so that it can be counted.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// The host answered that nobody listens on this port.
        case connectionRefused
        /// The name does not resolve, or no route leads to the address.
        case unreachable
        /// The host did not answer in time. What was asked for may have happened.
        case timedOut
        /// No `known_hosts` file has a key for the host.
        case hostKeyUnknown
        /// The host shows another key than the one that is on record.
        case hostKeyChanged
        /// Every credential was tried and none let us in.
        case authenticationFailed
        /// A private key file is missing, unreadable, of an unsupported kind, or its passphrase is wrong.
        case badPrivateKey
        /// Client and host have no key, cipher or exchange algorithm in common.
        case noSharedAlgorithm
        /// The connection broke, or keepalives went unanswered. What was asked for may have happened.
        case connectionLost
        /// The task was cancelled, or the session closed by its owner.
        case cancelled
        /// The host refused a channel or a command.
        case channelRefused
        /// A command wrote more than the caller's limit.
        case outputTooLarge
        /// A local file could not be read, or a remote one not written or read.
        case fileFailed
        /// The proxy command or the jump host failed.
        case proxyFailed
        /// libssh2 or the host broke the protocol.
        case protocolFailed
    }

    /// What kind of failure it is.
    public var code: Code
    /// What happened and the way out, without the place.
    public var message: String
    /// What the library or the system said, if it said anything.
    public var cause: String?
    /// Where: `user@host:port`, or a file with a line.
    public var location: String

    /// Makes an error; `location` is a host or a `file:line`.
    public init(_ code: Code, _ message: String, cause: String? = nil, location: String) {
        self.code = code
        self.message = message
        self.cause = cause
        self.location = location
    }

    /// One line: the place, what happened with the way out, and the cause in brackets.
    public var description: String {
        let text = "\(location): \(message)"
        guard let cause, !cause.isEmpty else { return text }
        return "\(text) [\(cause)]"
    }
}
