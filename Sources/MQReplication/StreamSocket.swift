import Glibc
import NIOCore
import Synchronization

/// A TCP connection that blocks; each direction belongs to one thread at a time.
///
/// The log is read and written by blocking calls, so a slave's link has threads of its own and needs no event loop
/// between them: a copied message crosses as few threads as it can.
final class StreamSocket: Sendable {
    /// What a call came to, with the system's words.
    struct Failure: Error, CustomStringConvertible {
        var call: String
        var code: Int32
        var description: String { "\(call): \(String(cString: strerror(code)))" }
    }

    let descriptor: CInt
    private let isClosed = Mutex(false)

    /// Takes over a connected socket.
    init(descriptor: CInt) {
        self.descriptor = descriptor
        var one: CInt = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<CInt>.size))
    }

    deinit { close() }

    /// Connects within so long.
    /// - Throws: ``Failure``.
    static func connect(to address: SocketAddress, timeoutMilliseconds: Int) throws(Failure) -> StreamSocket {
        let family: CInt = if case .v6 = address { AF_INET6 } else { AF_INET }
        let descriptor = Glibc.socket(family, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(call: "socket", code: errno) }
        let made = StreamSocket(descriptor: descriptor)
        // A limit for sending is one for connecting, too.
        made.setTimeout(SO_SNDTIMEO, milliseconds: timeoutMilliseconds)
        let status = address.withSockAddr { Glibc.connect(descriptor, $0, socklen_t($1)) }
        guard status == 0 else {
            throw Failure(call: "connect to \(address)", code: errno == EINPROGRESS ? ETIMEDOUT : errno)
        }
        return made
    }

    /// Listens; gives the listening socket, which the caller closes, and its port.
    static func listen(on address: SocketAddress) throws(Failure) -> (descriptor: CInt, port: Int) {
        let family: CInt = if case .v6 = address { AF_INET6 } else { AF_INET }
        let descriptor = Glibc.socket(family, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(call: "socket", code: errno) }
        var one: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<CInt>.size))
        let isBound = address.withSockAddr { bind(descriptor, $0, socklen_t($1)) } == 0
        guard isBound, Glibc.listen(descriptor, 16) == 0, let own = name(descriptor, getsockname) else {
            let failure = Failure(call: "listen for slaves on \(address)", code: errno)
            Glibc.close(descriptor)
            throw failure
        }
        return (descriptor, own.port ?? 0)
    }

    /// Waits for a connection; less than 0 when there is none, with `errno` to say why.
    static func accept(on listener: CInt) -> CInt {
        let descriptor = Glibc.accept(listener, nil, nil)
        // Glibc's `accept4` is hidden from Swift; nothing is executed by this program, so that the moment matters little.
        if descriptor >= 0 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        return descriptor
    }

    /// `host:port` of the other end.
    var peer: String {
        guard let address = Self.name(descriptor, getpeername) else { return "?" }
        return "\(address.ipAddress ?? "?"):\(address.port ?? 0)"
    }

    private static func name(
        _ descriptor: CInt, _ call: (CInt, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
    ) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call(descriptor, $0, &length) }
        }
        guard status == 0 else { return nil }
        return withUnsafeBytes(of: storage) { bytes in
            switch Int32(storage.ss_family) {
            case AF_INET: SocketAddress(bytes.loadUnaligned(as: sockaddr_in.self))
            case AF_INET6: SocketAddress(bytes.loadUnaligned(as: sockaddr_in6.self))
            default: nil
            }
        }
    }

    /// How long one call may block: `SO_RCVTIMEO` or `SO_SNDTIMEO`.
    func setTimeout(_ which: CInt, milliseconds: Int) {
        var time = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        setsockopt(descriptor, SOL_SOCKET, which, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Sends two buffers as one.
    func send(_ head: ByteBuffer, _ body: ByteBuffer = ByteBuffer()) throws(Failure) {
        var sent = 0
        let total = head.readableBytes + body.readableBytes
        while sent < total {
            let count = head.withUnsafeReadableBytes { headBytes in
                body.withUnsafeReadableBytes { bodyBytes in
                    var parts: [iovec] = []
                    if sent < headBytes.count {
                        parts.append(Self.part(headBytes, from: sent))
                        parts.append(Self.part(bodyBytes, from: 0))
                    } else {
                        parts.append(Self.part(bodyBytes, from: sent - headBytes.count))
                    }
                    return parts.withUnsafeMutableBufferPointer { parts in
                        var message = msghdr()
                        message.msg_iov = parts.baseAddress
                        message.msg_iovlen = parts.count
                        return sendmsg(descriptor, &message, CInt(MSG_NOSIGNAL))
                    }
                }
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw Failure(call: "send", code: errno)
            }
            sent += count
        }
    }

    private static func part(_ bytes: UnsafeRawBufferPointer, from start: Int) -> iovec {
        iovec(
            iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress.map { $0 + start }),
            iov_len: bytes.count - start)
    }

    /// Receives what is there, at most so much; empty when the other side has closed.
    /// - Throws: ``Failure``, with `EAGAIN` when nothing came in time.
    func receive(atMost count: Int) throws(Failure) -> ByteBuffer {
        var buffer = ByteBuffer()
        while true {
            var code: Int32 = 0
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
                let got = recv(descriptor, space.baseAddress, min(count, space.count), 0)
                if got < 0 { code = errno }
                return max(0, got)
            }
            if code == 0 { return buffer }
            if code != EINTR { throw Failure(call: "receive", code: code) }
        }
    }

    /// Ends both directions: whoever blocks in a call comes back.
    func shut() { Glibc.shutdown(descriptor, CInt(SHUT_RDWR)) }

    /// Gives the descriptor back; nobody may be in a call.
    func close() {
        let isFirst = isClosed.withLock { isClosed in
            defer { isClosed = true }
            return !isClosed
        }
        if isFirst { Glibc.close(descriptor) }
    }
}
