import CLibSSH2
import Glibc

/// The libssh2 session with its socket, and the count of bytes that came through it.
///
/// `@unchecked Sendable`: used by the owning actor on its thread; `free` is called from the actor's `deinit`, when no
/// one else can hold it.
final class SessionHandle: @unchecked Sendable {
    let pointer: OpaquePointer
    /// The connected socket, or -1 before there is one.
    var socket: Int32 = -1
    /// Bytes received so far. libssh2 reads for all channels at once, so an operation that sees this number change
    /// knows that what another one waits for may be there.
    private let traffic: UnsafeMutablePointer<Traffic>

    private static let isReady: Bool = libssh2_init(0) == 0

    init() {
        precondition(Self.isReady, "libssh2 can't be initialised")
        traffic = .allocate(capacity: 1)
        traffic.initialize(to: Traffic())
        guard let pointer = libssh2_session_init_ex(nil, nil, nil, traffic) else {
            preconditionFailure("libssh2 has no memory for a session")
        }
        self.pointer = pointer
        libssh2_session_set_blocking(pointer, 0)
        libssh2_session_callback_set(
            pointer, LIBSSH2_CALLBACK_RECV, unsafeBitCast(countingReceive, to: UnsafeMutableRawPointer.self))
        libssh2_session_callback_set(
            pointer, LIBSSH2_CALLBACK_SEND, unsafeBitCast(watchedSend, to: UnsafeMutableRawPointer.self))
    }

    /// Bytes received so far.
    var received: Int { traffic.pointee.received }

    /// Whether a packet is partly sent.
    ///
    /// libssh2's own block directions don't say so: after sending some of what was left, it answers EAGAIN without
    /// the direction OUTBOUND. So the sends themselves are watched.
    var isMidPacket: Bool { traffic.pointee.isMidPacket }

    /// What `poll` should wait for after an EAGAIN. While a packet is partly sent, reading would not help.
    var awaitedEvents: Int16 { isMidPacket ? Int16(POLLOUT) : Int16(POLLIN) }

    /// What libssh2 says about the last error.
    var lastMessage: String {
        var message: UnsafeMutablePointer<CChar>?
        _ = libssh2_session_last_error(pointer, &message, nil, 0)
        return message.map { String(cString: $0) } ?? ""
    }

    /// Closes the socket and gives back the memory.
    func free() {
        if socket >= 0 { shutdown(socket, Int32(SHUT_RDWR)) }
        for _ in 0..<SSHLimits.freeAttempts {
            if libssh2_session_free(pointer) != LIBSSH2_ERROR_EAGAIN { break }
        }
        if socket >= 0 { Glibc.close(socket) }
        traffic.deallocate()
    }
}

/// `recv` as libssh2 wants it (`-errno` on failure), adding what came to the count behind the session's abstract.
private let countingReceive:
    @convention(c) (
        Int32, UnsafeMutableRawPointer?, Int, Int32, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Int = { socket, buffer, length, flags, abstract in
        let count = recv(socket, buffer, length, flags | Int32(MSG_NOSIGNAL))
        if count < 0 { return -Int(errno) }
        abstract?.pointee?.assumingMemoryBound(to: Traffic.self).pointee.received += count
        return count
    }

/// `send` as libssh2 wants it, noting whether the packet went out whole.
private let watchedSend:
    @convention(c) (
        Int32, UnsafeRawPointer?, Int, Int32, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Int = { socket, buffer, length, flags, abstract in
        let count = send(socket, buffer, length, flags | Int32(MSG_NOSIGNAL))
        let code = errno
        abstract?.pointee?.assumingMemoryBound(to: Traffic.self).pointee.isMidPacket = count != length
        return count < 0 ? -Int(code) : count
    }

/// What went through a session's socket.
private struct Traffic {
    var received = 0
    var isMidPacket = false
}
