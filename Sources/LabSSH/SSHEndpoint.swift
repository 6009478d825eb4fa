/// Where a host listens for SSH, and as whom to log in.
public struct SSHEndpoint: Sendable, Hashable, CustomStringConvertible {
    /// A name that the resolver knows, or a numeric address (IPv6 without brackets).
    public var host: String
    /// The TCP port.
    public var port: Int
    /// The account on the host.
    public var user: String

    /// Makes an endpoint.
    public init(host: String, port: Int = 22, user: String = "root") {
        self.host = host
        self.port = port
        self.user = user
    }

    /// `user@host:port`, as errors name it.
    public var description: String {
        host.contains(":") ? "\(user)@[\(host)]:\(port)" : "\(user)@\(host):\(port)"
    }

    /// The host as `known_hosts` writes it: bare for port 22, else `[host]:port`.
    public var knownHostsName: String {
        port == 22 ? host : "[\(host)]:\(port)"
    }
}
