import Dispatch
import Glibc
import Synchronization
import SystemPackage

/// Ctrl-C and SIGTERM while a store is measured: what was made is removed before the program ends.
final class Interruption: Sendable {
    private let child = Mutex<pid_t?>(nil)

    /// Watches for both signals from now on, to the program's end.
    init(removing folder: FilePath) {
        for number in [SIGINT, SIGTERM] {
            // The system's own ending would come before the source's.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { [self] in
                // Named here, the source keeps itself alive.
                source.cancel()
                child.withLock { child in
                    Self.end(&child)
                    remove(folder)
                    _exit(128 + number)
                }
            }
            source.resume()
        }
    }

    /// From now on this process is killed first: it would go on writing where is removed.
    func watch(_ pid: pid_t) { child.withLock { $0 = pid } }

    /// Kills the child, if there is one, and takes leave of it. Once a signal has come it does not return: whatever fails
    /// then fails because of it, and nobody is to hear of that.
    func endChild() { child.withLock { Self.end(&$0) } }

    private static func end(_ child: inout pid_t?) {
        guard let pid = child else { return }
        kill(pid, SIGKILL)
        var ending: CInt = 0
        waitpid(pid, &ending, 0)
        child = nil
    }
}
