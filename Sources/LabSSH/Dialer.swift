import Glibc
import SystemPackage

/// Name look-up and TCP connection, without ever blocking a session's thread for longer than a system call.
struct Dialer {
    let endpoint: SSHEndpoint
    let thread: IOThread
    let deadline: ContinuousClock.Instant
    let timeout: Duration

    /// One address that a name resolved to.
    private struct Address: Sendable {
        var bytes: [UInt8]
        var family: Int32
    }

    private enum LookUp: Sendable {
        case found([Address])
        case failed(String)
    }

    /// A connected, non-blocking socket. Every address of the name is tried in turn until the deadline.
    func connect(isolation: isolated (any Actor)? = #isolation) async throws(SSHError) -> Int32 {
        let endpoint = endpoint
        let addresses: [Address]
        // A look-up can't be interrupted; its thread ends by itself.
        switch await Threads.blocking({ Self.lookUp(endpoint) }) {
        case .found(let found): addresses = found
        case .failed(let cause):
            throw SSHError(
                .unreachable, "host '\(endpoint.host)' does not resolve (check its name, or set ansible_host)",
                cause: cause, location: endpoint.description)
        }
        var last: SSHError?
        for address in addresses {
            do {
                return try await connect(to: address)
            } catch {
                if error.code == .cancelled || error.code == .timedOut { throw error }
                last = error
            }
        }
        throw last ?? SSHError(.unreachable, "no address to connect to", location: endpoint.description)
    }

    private func connect(
        to address: Address, isolation: isolated (any Actor)? = #isolation
    ) async throws(SSHError) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let socket = Glibc.socket(address.family, type, 0)
        guard socket >= 0 else { throw failure(errno) }
        var one: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        let begun = address.bytes.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return Int32(-1) }
            return Glibc.connect(socket, base.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
        }
        if begun == 0 { return socket }
        guard errno == EINPROGRESS else {
            let code = errno
            Glibc.close(socket)
            throw failure(code)
        }
        switch await thread.wait(socket, Int16(POLLOUT), until: deadline) {
        case .ready:
            var code: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &size)
            if code == 0 { return socket }
            Glibc.close(socket)
            throw failure(code)
        case .deadline:
            Glibc.close(socket)
            throw SSHError(
                .timedOut, "no answer to the TCP connection within \(timeout) (is the host up, is the port open?)",
                location: endpoint.description)
        case .cancelled:
            Glibc.close(socket)
            throw SSHError(.cancelled, "cancelled while connecting", location: endpoint.description)
        }
    }

    private func failure(_ code: Int32) -> SSHError {
        let cause = SystemMessage.text(code)
        switch code {
        case ECONNREFUSED:
            return SSHError(
                .connectionRefused, "nobody listens on port \(endpoint.port) (is sshd running, is the port right?)",
                cause: cause, location: endpoint.description)
        case ETIMEDOUT:
            return SSHError(
                .timedOut, "no answer to the TCP connection (is the host up?)", cause: cause,
                location: endpoint.description)
        default:
            return SSHError(
                .unreachable, "the host can't be reached (check address and routes)", cause: cause,
                location: endpoint.description)
        }
    }

    private static func lookUp(_ endpoint: SSHEndpoint) -> LookUp {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var first: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(endpoint.host, String(endpoint.port), &hints, &first)
        guard code == 0 else { return .failed(gai_strerror(code).map { String(cString: $0) } ?? "error \(code)") }
        defer { freeaddrinfo(first) }
        var addresses: [Address] = []
        var next = first
        while let info = next?.pointee {
            let bytes = UnsafeRawBufferPointer(start: info.ai_addr, count: Int(info.ai_addrlen))
            addresses.append(Address(bytes: Array(bytes), family: info.ai_family))
            next = info.ai_next
        }
        return .found(addresses)
    }
}

/// What the system calls an error number.
enum SystemMessage {
    static func text(_ code: Int32) -> String {
        Errno(rawValue: code).description
    }
}
