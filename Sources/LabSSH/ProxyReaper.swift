import Glibc
import Synchronization

/// Ends a proxy command once, and takes its exit status so that no zombie stays.
final class ProxyReaper: Sendable {
    private let process: pid_t
    private let isRunning = Mutex(true)

    init(_ process: pid_t) {
        self.process = process
        Threads.detach { [self] in
            var information = siginfo_t()
            // Waits without reaping first, so that the process id stays ours until no one can signal it any more.
            while waitid(P_PID, id_t(process), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
            isRunning.withLock { $0 = false }
            var status: Int32 = 0
            while waitpid(process, &status, 0) < 0, errno == EINTR {}
        }
    }

    /// Asks the command and all that it started to end.
    func end() {
        isRunning.withLock { isRunning in
            if isRunning { kill(-process, SIGTERM) }
        }
    }
}
