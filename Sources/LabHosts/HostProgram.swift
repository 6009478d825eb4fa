import Glibc
import Synchronization
import SystemPackage

/// A program of the system, started without a shell.
struct HostProgram {
    /// Its process id.
    let pid: pid_t
    private let name: String
    private let errors: CInt

    /// Held while pipes are made and while a process starts: labs side by side share this program's descriptors.
    private static let gate = Mutex<Void>(())

    /// The Debian package that each program comes from, for the error that says it is missing.
    static let packages = [
        "ip": "iproute2", "unshare": "util-linux", "mount": "mount", "nsenter": "util-linux", "tini": "tini",
        "sshd": "openssh-server", "ssh-keygen": "openssh-client", "mkfs.ext4": "e2fsprogs", "mkfs.xfs": "xfsprogs",
        "fallocate": "util-linux",
    ]

    /// Where a program is, in the usual directories first, so that a bare `PATH` does not matter.
    static func find(_ name: String) throws(LocalHostsError) -> String {
        for directory in ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"] {
            let path = directory + "/" + name
            if access(path, X_OK) == 0 { return path }
        }
        let package = packages[name] ?? name
        throw LocalHostsError(
            .missingProgram, "'\(name)' is not installed: run 'apt-get install -y \(package)' and try again")
    }

    /// Starts a program with its input given, its stderr kept and its stdout dropped, or kept as well.
    static func start(
        _ arguments: [String], input: String = "", keepsOutput: Bool = false
    ) throws(LocalHostsError) -> HostProgram {
        precondition(input.utf8.count < 60_000, "\(input.utf8.count) bytes of input do not fit a pipe")
        let path = try find(arguments[0])
        var inputs: [CInt] = [0, 0]
        var errors: [CInt] = [0, 0]
        guard openPipe(&inputs) else { throw HostFiles.failure("open", "a pipe") }
        guard openPipe(&errors) else {
            close(inputs[0])
            close(inputs[1])
            throw HostFiles.failure("open", "a pipe")
        }
        var text = input
        text.withUTF8 { _ = Glibc.write(inputs[1], $0.baseAddress, $0.count) }
        close(inputs[1])
        defer {
            close(inputs[0])
            close(errors[1])
        }
        do {
            let pid = try spawn(
                path, arguments, environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"], newSession: false
            ) { actions in
                posix_spawn_file_actions_adddup2(&actions, inputs[0], 0)
                if keepsOutput {
                    posix_spawn_file_actions_adddup2(&actions, errors[1], 1)
                } else {
                    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
                }
                posix_spawn_file_actions_adddup2(&actions, errors[1], 2)
            }
            return HostProgram(pid: pid, name: arguments[0], errors: errors[0])
        } catch {
            close(errors[0])
            throw error
        }
    }

    /// Waits for its end; throws `programFailed` with what it wrote to stderr when it failed.
    func finish() throws(LocalHostsError) {
        let (status, text) = finishAnyhow()
        guard status == 0 else {
            throw LocalHostsError(.programFailed, "'\(name)' failed (status \(status)): \(text)")
        }
    }

    /// Waits for its end, however it ends: the raw wait status and what was kept of its words, on one line.
    @discardableResult
    func finishAnyhow() -> (status: CInt, errors: String) {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = Glibc.read(errors, &piece, piece.count)
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { break }
            if bytes.count < 1 << 16 { bytes.append(contentsOf: piece[..<count]) }
        }
        close(errors)
        var status: CInt = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        return (status, lines.joined(separator: "; "))
    }

    /// A pipe that no process started elsewhere inherits.
    private static func openPipe(_ ends: inout [CInt]) -> Bool {
        gate.withLock { _ in
            guard pipe(&ends) == 0 else { return false }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            return true
        }
    }

    /// `posix_spawn` with clean signals and no descriptors above 2.
    static func spawn(
        _ path: String, _ arguments: [String], environment: [String], newSession: Bool,
        _ prepare: (inout posix_spawn_file_actions_t) -> Void
    ) throws(LocalHostsError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        prepare(&actions)
        // A descriptor of ours in a host's process would keep a pipe or a lock open for the host's whole life.
        for name in HostFiles.names("/proc/self/fd") {
            if let descriptor = CInt(name), descriptor > 2 { posix_spawn_file_actions_addclose(&actions, descriptor) }
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var flags = Int32(POSIX_SPAWN_SETSIGDEF) | Int32(POSIX_SPAWN_SETSIGMASK)
        // Ctrl-C goes to a terminal's whole process group: it is ours to answer, and not the programs' under way.
        flags |= newSession ? 0x80 /* POSIX_SPAWN_SETSID, <spawn.h> */ : 0x02 /* POSIX_SPAWN_SETPGROUP */
        posix_spawnattr_setflags(&attributes, Int16(flags))
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        argv.append(nil)
        var envp: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) }
        envp.append(nil)
        defer { for pointer in argv + envp { free(pointer) } }
        var pid: pid_t = 0
        let result = gate.withLock { _ in posix_spawn(&pid, path, &actions, &attributes, argv, envp) }
        guard result == 0 else {
            throw LocalHostsError(.programFailed, "\(path): can't start it: \(String(cString: strerror(result)))")
        }
        return pid
    }
}
