import Glibc
import Synchronization
import SystemPackage

/// Keeps a second process from opening the same store.
final class StoreLock: Sendable {
    private let descriptor: Mutex<CInt>

    /// Takes the lock or says that another process holds it; the kernel releases it when this process dies.
    init(_ path: FilePath) throws(StoreError) {
        let opened = open(path.string, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard opened >= 0 else { throw .system("open", path, Errno(rawValue: errno)) }
        guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
            let cause = Errno(rawValue: errno)
            close(opened)
            if cause == .wouldBlock {
                throw StoreError(
                    .locked, path: path, message: "another broker has it open; stop it or set storePathRootDir")
            }
            throw .system("flock", path, cause)
        }
        descriptor = Mutex(opened)
    }

    deinit { release() }

    /// Gives the lock back; a second call does nothing.
    func release() {
        descriptor.withLock { descriptor in
            if descriptor >= 0 { close(descriptor) }
            descriptor = -1
        }
    }
}
