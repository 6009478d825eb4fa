import Glibc
import SystemPackage

/// An exclusive `flock`, released by the kernel when its process dies.
struct HostsLock: Sendable {
    private let descriptor: CInt

    /// Takes the lock, waiting for its holder up to `waitSeconds`.
    init(_ path: FilePath, waitSeconds: Int64) throws(LocalHostsError) {
        descriptor = open(path.string, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw HostFiles.failure("open", path.string) }
        let deadline = MonotonicClock.now() + waitSeconds * 1_000_000_000
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard MonotonicClock.now() < deadline else {
                close(descriptor)
                throw LocalHostsError(
                    .busy,
                    "\(path): another 'seatrial hosts' command works here; wait for it or end it ('fuser \(path)')")
            }
            usleep(5_000)
        }
    }

    /// Whether some process holds the lock at this moment.
    static func isHeld(_ path: FilePath) -> Bool {
        let descriptor = open(path.string, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0
    }

    /// Gives it back; once.
    func release() { close(descriptor) }
}
