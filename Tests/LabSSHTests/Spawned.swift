import Glibc
import SystemPackage

/// A program that a test started; ended by its own process id.
final class Spawned: Sendable {
    let process: pid_t

    init(_ words: [String], environment: [String] = [], log: FilePath? = nil) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let output = log?.string ?? "/dev/null"
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // The test's threads block signals; the program must not inherit that.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] =
            (environment + ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
            .map { strdup($0) } + [nil]
        defer { (arguments + variables).forEach { free($0) } }
        var process: pid_t = 0
        let failure = posix_spawnp(&process, words[0], &actions, &attributes, &arguments, &variables)
        guard failure == 0 else { throw Errno(rawValue: failure) }
        self.process = process
    }

    /// Waits for the end; the exit status.
    @discardableResult
    func wait() -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return (status >> 8) & 0xff
    }

    func end() {
        kill(process, SIGTERM)
        wait()
    }

    /// Runs a program to its end, which must be a good one.
    static func run(_ words: [String], environment: [String] = []) throws {
        let status = try Spawned(words, environment: environment).wait()
        guard status == 0 else { throw SpawnFailure(words: words, status: status) }
    }
}

struct SpawnFailure: Error {
    var words: [String]
    var status: Int32
}
