import Glibc
import Synchronization

/// A thread with a name that runs one closure and can be waited for.
///
/// The store's writes and syncs block, so they have threads of their own and never run on an event loop.
package final class StoreThread: Sendable {
    private let handle: Mutex<pthread_t?>

    /// Starts a thread; the kernel keeps 15 characters of `name`.
    package init(name: String, _ body: @escaping @Sendable () -> Void) {
        let work = Unmanaged.passRetained(Work(name: name, body: body))
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let work = Unmanaged<Work>.fromOpaque(argument).takeRetainedValue()
                nameCurrentThread(work.name)
                work.body()
                return nil
            }, work.toOpaque())
        precondition(status == 0, "the thread \(name) could not be started: errno \(status)")
        handle = Mutex(thread)
    }

    /// A thread that nobody waits for gives itself back at its end.
    deinit { if let thread = handle.withLock({ $0 }) { pthread_detach(thread) } }

    /// Waits for the end of the closure; a second call returns at once.
    package func join() {
        let thread = handle.withLock { handle in
            defer { handle = nil }
            return handle
        }
        if let thread { pthread_join(thread, nil) }
    }

    private final class Work: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }
}

/// Gives the calling thread its name in `ps -L`; a kernel without `/proc` leaves it nameless.
private func nameCurrentThread(_ name: String) {
    let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    _ = Array(name.utf8.prefix(15)).withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    close(descriptor)
}
