public import SystemPackage

/// Everything that opening a session needs to know.
public struct SSHConfiguration: Sendable {
    /// The host, port and account.
    public var endpoint: SSHEndpoint
    /// What to log in with, in the order in which it is tried.
    public var credentials: [SSHCredential]
    /// The files that hold the keys of known hosts. One that does not exist is like an empty one.
    public var knownHosts: [FilePath]
    /// The limit for name look-up, connection, handshake and log-in together.
    public var connectTimeout: Duration
    /// How often a silent host is asked for a sign of life.
    ///
    /// The connection counts as lost after `SSHLimits.unansweredKeepalives` intervals without a single byte.
    public var keepaliveInterval: Duration
    /// The way to the host, if not directly.
    public var proxy: SSHProxy?
    /// What to type to record a key that is not on record; the errors name it.
    public var trustCommand = "seatrial trust"

    /// Makes a configuration.
    public init(
        endpoint: SSHEndpoint, credentials: [SSHCredential] = [.agent], knownHosts: [FilePath] = [],
        connectTimeout: Duration = .seconds(10), keepaliveInterval: Duration = .seconds(5), proxy: SSHProxy? = nil
    ) {
        self.endpoint = endpoint
        self.credentials = credentials
        self.knownHosts = knownHosts
        self.connectTimeout = connectTimeout
        self.keepaliveInterval = keepaliveInterval
        self.proxy = proxy
    }
}
