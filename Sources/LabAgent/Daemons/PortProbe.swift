import Glibc

/// Looks at TCP ports of this host.
enum PortProbe {
    /// Whether something accepts a connection within `milliseconds`.
    static func accepts(_ host: String, _ port: UInt16, milliseconds: CInt) -> Bool {
        withSocket(host, port) { socket, address, length in
            _ = fcntl(socket, F_SETFL, O_NONBLOCK)
            if connect(socket, address, length) == 0 { return true }
            guard errno == EINPROGRESS else { return false }
            var waiting = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
            guard poll(&waiting, 1, milliseconds) == 1 else { return false }
            var reason: CInt = 0
            var size = socklen_t(MemoryLayout<CInt>.size)
            return getsockopt(socket, SOL_SOCKET, SO_ERROR, &reason, &size) == 0 && reason == 0
        } ?? false
    }

    /// Whether a daemon could not listen there because somebody does.
    static func isTaken(_ host: String, _ port: UInt16) -> Bool {
        withSocket(host, port) { socket, address, length in
            var yes: CInt = 1
            setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size))
            return bind(socket, address, length) != 0 && errno == EADDRINUSE
        } ?? false
    }

    /// Whether the text is an IPv4 address.
    static func isAddress(_ host: String) -> Bool {
        var address = in_addr()
        return inet_pton(AF_INET, host, &address) == 1
    }

    private static func withSocket(
        _ host: String, _ port: UInt16, _ body: (CInt, UnsafePointer<sockaddr>, socklen_t) -> Bool
    ) -> Bool? {
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        guard inet_pton(AF_INET, host, &target.sin_addr) == 1 else { return nil }
        let socket = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return nil }
        defer { close(socket) }
        return withUnsafePointer(to: &target) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
