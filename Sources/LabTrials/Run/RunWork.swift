import Glibc
import Synchronization
import SystemPackage

/// Holds a run's folder as being worked on.
public final class RunWork: Sendable {
    private let descriptor: Mutex<CInt>

    init(_ path: FilePath) throws(TrialError) {
        let opened = open(path.string, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard opened >= 0, flock(opened, LOCK_EX | LOCK_NB) == 0 else {
            let cause = Errno(rawValue: errno)
            if opened >= 0 { close(opened) }
            throw TrialError(.runFolder, "\(path): can't be locked (\(cause))")
        }
        descriptor = Mutex(opened)
    }

    deinit { end() }

    /// The work is over; a second call does nothing.
    public func end() {
        descriptor.withLock { descriptor in
            if descriptor >= 0 { close(descriptor) }
            descriptor = -1
        }
    }

    /// Whether some process holds it.
    static func isHeld(_ path: FilePath) -> Bool {
        let opened = open(path.string, O_RDONLY | O_CLOEXEC)
        guard opened >= 0 else { return false }
        defer { close(opened) }
        guard flock(opened, LOCK_SH | LOCK_NB) != 0 else { return false }
        return errno == EWOULDBLOCK
    }
}
