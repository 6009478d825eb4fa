import Glibc
import SystemPackage

@testable import LabAgent

/// A real `seatrial-agent serve` on pipes, with a root directory of its own.
///
/// Guard of its state: `input` and `output` are used by one client only; `pid` is set once.
final class AgentProcess: AgentTransport, @unchecked Sendable {
    let root: FilePath
    let pid: pid_t
    private let input: CInt
    private let output: CInt

    /// The agent's program, built beside the tests.
    static var program: String {
        let tests = FilePath(CommandLine.arguments[0])
        return tests.removingLastComponent().appending("seatrial-agent").string
    }

    /// A fresh directory for a root.
    static func newRoot() throws -> FilePath {
        var template = Array("/tmp/seatrial-agent-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw AgentFailure(.system, "mkdtemp failed") }
        return FilePath(template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) })
    }

    /// - Parameter shell: what a shell does before it becomes the agent, in a network of its own; nil for this machine's.
    init(root: FilePath, network shell: String? = nil) throws {
        self.root = root
        var toAgent: [CInt] = [0, 0]
        var fromAgent: [CInt] = [0, 0]
        guard pipe(&toAgent) == 0, pipe(&fromAgent) == 0 else { throw AgentFailure(.system, "no pipe") }
        for end in [toAgent[1], fromAgent[0]] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, toAgent[0], 0)
        posix_spawn_file_actions_adddup2(&actions, fromAgent[1], 1)
        posix_spawn_file_actions_addclose(&actions, toAgent[0])
        posix_spawn_file_actions_addclose(&actions, fromAgent[1])
        var arguments: [String] = [AgentProcess.program, "serve", "--root", root.string]
        if let shell {
            arguments =
                ["/usr/bin/unshare", "--net", "/bin/sh", "-ec", "\(shell)\nexec \"$@\"", "sh"] + arguments
        }
        var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        argv.append(nil)
        defer { for pointer in argv { free(pointer) } }
        var pid: pid_t = 0
        let result = posix_spawn(&pid, arguments[0], &actions, nil, argv, environ)
        guard result == 0 else {
            throw AgentFailure(.spawnFailed, "\(AgentProcess.program): \(result)")
        }
        Glibc.close(toAgent[0])
        Glibc.close(fromAgent[1])
        self.pid = pid
        input = toAgent[1]
        output = fromAgent[0]
    }

    func send(_ bytes: [UInt8]) async throws {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { write(input, $0.baseAddress! + done, bytes.count - done) }
            guard count > 0 else { throw AgentFailure(.disconnected, "write: \(errno)") }
            done += count
        }
    }

    func receive() async throws -> [UInt8]? {
        let output = output
        // Blocking, so on a thread of its own.
        return await withCheckedContinuation { continuation in
            _ = AgentThread.start {
                var piece = [UInt8](repeating: 0, count: 1 << 16)
                let count = read(output, &piece, piece.count)
                continuation.resume(returning: count > 0 ? Array(piece[..<count]) : nil)
            }
        }
    }

    func close() async { Glibc.close(input) }

    /// `kill -9` and reap.
    func kill9() {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }
}
