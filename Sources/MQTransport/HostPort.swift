public import NIOCore

/// A host and a port, as configuration files and routes write them.
public struct HostPort: Hashable, Sendable, CustomStringConvertible {
    /// A name or an address; IPv6 without brackets.
    public let host: String
    /// The TCP port.
    public let port: Int

    /// A host and a port.
    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Reads `host:port` or `[v6]:port`; throws ``TransportError/invalidAddress(_:)``.
    public init(_ text: String) throws(TransportError) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65535).contains(port)
        else { throw .invalidAddress(text) }
        var host = text[..<colon]
        if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() }
        guard !host.isEmpty else { throw .invalidAddress(text) }
        self.init(host: String(host), port: port)
    }

    /// The socket address, if the host is numeric: then nothing needs to be resolved.
    public var numericAddress: SocketAddress? { try? SocketAddress(ipAddress: host, port: port) }

    /// `host:port`, IPv6 in brackets.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

extension SocketAddress {
    /// `ip:port` without the decorations of `description`; empty for what is no IP address.
    public var hostPort: String {
        guard let ip = ipAddress, let port else { return "" }
        return HostPort(host: ip, port: port).description
    }
}
