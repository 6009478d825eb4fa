import CLibSSH2
import Glibc

/// A session with one host: commands, streams and files over one connection.
///
/// The actor runs on an `IOThread`, so that libssh2 sees one thread and nothing blocks Swift's own. Each operation is
/// a closure that is tried until libssh2 no longer answers EAGAIN (`SSHSession+Operations.swift`); between two tries
/// the thread sleeps in `poll`. Any number of commands may run at once; `sshd` allows 10 (`MaxSessions`).
///
/// A lost connection ends every operation with `connectionLost`; the session then never recovers, connect anew.
public actor SSHSession {
    /// The host at the other end.
    public nonisolated let endpoint: SSHEndpoint

    nonisolated let configuration: SSHConfiguration
    nonisolated let thread: IOThread
    /// The libssh2 session; used on `thread` only, and freed in `deinit`.
    nonisolated let handle: SessionHandle

    /// Why the session is over, if it is.
    var failure: SSHError?
    /// The operation that has a packet partly sent: until it is through, nobody else may send.
    var sender: UInt64?
    /// The operation that has the session to itself: hand-shakes, log-ins and channel openings keep their state in
    /// libssh2's session rather than in a channel, so there is one of them at a time.
    var exclusive: UInt64?
    var lastOperation: UInt64 = 0
    /// Channels that are open.
    var channels: [ObjectIdentifier: ChannelBox] = [:]
    /// The channel that was closed last. It is kept because libssh2 reads the socket only on behalf of a channel.
    var retired: OpaquePointer?
    /// The SFTP subsystem, opened by the first transfer.
    let sftp = SFTPBox()
    /// Ends the proxy, if there is one.
    var proxy: ProxyLink?
    private var attendants: [Task<Void, Never>] = []

    /// The thread that owns the session.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init(_ configuration: SSHConfiguration, thread: IOThread) {
        endpoint = configuration.endpoint
        self.configuration = configuration
        self.thread = thread
        handle = SessionHandle()
    }

    deinit {
        for attendant in attendants { attendant.cancel() }
        proxy?.end()
        handle.free()
    }

    /// Connects, checks the host's key and logs in.
    ///
    /// - Throws: `SSHError`: `unreachable`, `connectionRefused`, `timedOut`, `noSharedAlgorithm`, `hostKeyUnknown`,
    ///   `hostKeyChanged`, `badPrivateKey`, `authenticationFailed`, `proxyFailed`, `connectionLost` or `cancelled`.
    public static func connect(_ configuration: SSHConfiguration) async throws(SSHError) -> SSHSession {
        let session = SSHSession(configuration, thread: .next())
        do {
            let deadline = ContinuousClock.now + configuration.connectTimeout
            try await session.open(until: deadline)
            let known = try HostKeys.load(configuration.knownHosts)
            try await session.handshake(preferring: known, until: deadline)
            try await session.check(known)
            try await session.logIn(until: deadline)
            await session.attend()
            return session
        } catch {
            await session.close()
            throw error
        }
    }

    /// Whether the session can still be used, as far as is known.
    public var isOpen: Bool { failure == nil }

    /// Says good-bye and ends the connection. What still runs on the session ends with `cancelled`.
    public func close() {
        guard failure == nil else { return }
        if handle.socket >= 0, sender == nil {
            // One try: the host learns of the end from the closed socket anyhow.
            _ = libssh2_session_disconnect_ex(handle.pointer, SSH_DISCONNECT_BY_APPLICATION, "session closed", "")
        }
        fail(SSHError(.cancelled, "the session was closed", location: endpoint.description))
    }

    /// Ends the session: the socket is shut, and whoever waits is told why. The first reason stays.
    func fail(_ error: SSHError) {
        guard failure == nil else { return }
        failure = error
        sender = nil
        exclusive = nil
        proxy?.end()
        if handle.socket >= 0 {
            shutdown(handle.socket, Int32(SHUT_RDWR))
            thread.wake(handle.socket)
        }
        for attendant in attendants { attendant.cancel() }
        attendants = []
    }

    /// Makes the TCP connection or starts the proxy.
    func open(until deadline: ContinuousClock.Instant) async throws(SSHError) {
        switch configuration.proxy {
        case nil:
            let dialer = Dialer(
                endpoint: endpoint, thread: thread, deadline: deadline, timeout: configuration.connectTimeout)
            handle.socket = try await dialer.connect()
        case .command(let command):
            let link = try ProxyLink.command(command, for: endpoint)
            proxy = link
            handle.socket = link.socket
        case .jump(let jump):
            let link = try await ProxyLink.jump(jump, to: endpoint)
            proxy = link
            handle.socket = link.socket
        }
    }

    /// Starts what looks after an idle session; see `SSHSession+Keepalive.swift`.
    private func attend() {
        attendants = [startKeepalive(), startPump()]
    }
}
