import CLibSSH2
import Glibc

/// The way through a proxy: a socket that stands for the connection, and whoever serves its other end.
struct ProxyLink: Sendable {
    /// Our end, non-blocking.
    let socket: Int32
    /// Ends the proxy. Harmless when it has ended.
    let end: @Sendable () -> Void

    /// Starts a shell command whose standard input and output are the connection.
    static func command(_ command: String, for endpoint: SSHEndpoint) throws(SSHError) -> ProxyLink {
        let (ours, theirs) = try pair(endpoint)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, theirs, 0)
        posix_spawn_file_actions_adddup2(&actions, theirs, 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own, so that the shell ends together with what it started.
        // Swift's threads block most signals, and a child would inherit that and be deaf to SIGTERM.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        posix_spawnattr_setpgroup(&attributes, 0)
        let words = ["/bin/sh", "-c", expand(command, for: endpoint)]
        var pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { pointers.forEach { Glibc.free($0) } }
        var process: pid_t = 0
        let failure = posix_spawn(&process, "/bin/sh", &actions, &attributes, &pointers, environ)
        Glibc.close(theirs)
        guard failure == 0 else {
            Glibc.close(ours)
            throw SSHError(
                .proxyFailed, "the proxy command can't be started: \(command)", cause: SystemMessage.text(failure),
                location: endpoint.description)
        }
        let child = process
        let reaper = ProxyReaper(child)
        return ProxyLink(socket: ours) { reaper.end() }
    }

    /// Connects to another host, and from there to the target.
    static func jump(_ jump: SSHConfiguration, to endpoint: SSHEndpoint) async throws(SSHError) -> ProxyLink {
        let session: SSHSession
        do {
            session = try await SSHSession.connect(jump)
        } catch {
            guard error.code != .cancelled else { throw error }
            throw SSHError(
                error.code, "the jump host can't be used: \(error.message)", cause: error.cause,
                location: error.location)
        }
        let channel: ChannelBox
        do {
            channel = try await session.openTunnel(to: endpoint)
        } catch {
            await session.close()
            throw error
        }
        let (ours, theirs) = try pair(endpoint)
        let tasks = await session.serve(theirs, through: channel)
        return ProxyLink(socket: ours) {
            tasks.forEach { $0.cancel() }
            Task { await session.close() }
        }
    }

    /// `%h`, `%p`, `%r` and `%%`, as in ssh_config(5).
    static func expand(_ command: String, for endpoint: SSHEndpoint) -> String {
        var expanded = ""
        var isToken = false
        for character in command {
            if isToken {
                switch character {
                case "h": expanded += endpoint.host
                case "p": expanded += String(endpoint.port)
                case "r": expanded += endpoint.user
                case "%": expanded += "%"
                default: expanded += "%\(character)"
                }
                isToken = false
            } else if character == "%" {
                isToken = true
            } else {
                expanded.append(character)
            }
        }
        return isToken ? expanded + "%" : expanded
    }

    private static func pair(_ endpoint: SSHEndpoint) throws(SSHError) -> (ours: Int32, theirs: Int32) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw SSHError(
                .proxyFailed, "no socket for the proxy (raise the limit of open files)",
                cause: SystemMessage.text(errno), location: endpoint.description)
        }
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        return (ends[0], ends[1])
    }
}
