import Glibc
import Synchronization

/// Starts processes in a session of their own, with clean signals and only the descriptors they are given.
enum ProcessSpawner {
    /// Held while pipes are made and while a process starts, so that no child inherits another request's pipe.
    private static let gate = Mutex<Void>(())

    /// Starts a program; `descriptors` become 0, 1, 2.
    static func spawn(
        _ executable: String, _ arguments: [String], environment: [String: String], workingDirectory: String,
        descriptors: [CInt]
    ) throws(AgentFailure) -> pid_t {
        precondition(descriptors.count == 3, "\(descriptors.count) descriptors")
        guard !executable.contains("=") else {
            throw AgentFailure(
                .spawnFailed, "'\(executable)': a program whose path holds '=' can't be started; rename it")
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (target, descriptor) in descriptors.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, descriptor, CInt(target))
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        let newSession: Int32 = 0x80  // POSIX_SPAWN_SETSID of <spawn.h>, declared for GNU sources only
        posix_spawnattr_setflags(
            &attributes, Int16(Int32(POSIX_SPAWN_SETSIGDEF) | Int32(POSIX_SPAWN_SETSIGMASK) | newSession))
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        // The C library's addchdir is for GNU sources only, too; `env -C` does the same and then is the program.
        let command = ["/usr/bin/env", "-C", workingDirectory, "--", executable] + arguments
        var argv: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
        argv.append(nil)
        var envp: [UnsafeMutablePointer<CChar>?] = environment.sorted { $0.key < $1.key }.map {
            strdup("\($0.key)=\($0.value)")
        }
        envp.append(nil)
        defer { for pointer in argv + envp { free(pointer) } }
        var pid: pid_t = 0
        let result = gate.withLock { _ in posix_spawn(&pid, command[0], &actions, &attributes, argv, envp) }
        guard result == 0 else {
            throw AgentFailure(.spawnFailed, "can't start '\(executable)': \(String(cString: strerror(result)))")
        }
        return pid
    }

    /// A pipe whose ends no other child inherits.
    static func pipe() throws(AgentFailure) -> (read: CInt, write: CInt) {
        var ends: [CInt] = [0, 0]
        let result = gate.withLock { _ in
            guard Glibc.pipe(&ends) == 0 else { return false }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            return true
        }
        guard result else { throw AgentRoot.failure("open", "a pipe") }
        return (ends[0], ends[1])
    }

    /// The agent's own environment.
    static func ownEnvironment() -> [String: String] {
        var result: [String: String] = [:]
        var cursor = environ
        while let entry = cursor.pointee {
            let text = String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                result[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            cursor += 1
        }
        return result
    }
}
