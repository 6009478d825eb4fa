import Glibc

/// Runs blocking work on a thread of its own, so that none of Swift's few cooperative threads waits for a program.
enum OwnThread {
    // Guard: the closure is handed over once, before the thread starts, and taken once, by it.
    private final class Work: @unchecked Sendable {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    /// The result of `body`, run on a new thread.
    static func run<T: Sendable>(
        _ body: @escaping @Sendable () throws(LocalHostsError) -> T
    ) async throws(LocalHostsError) -> T {
        let result: Result<T, LocalHostsError> = await withCheckedContinuation { continuation in
            let work = Work {
                do throws(LocalHostsError) { continuation.resume(returning: .success(try body())) } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
            var thread = pthread_t()
            let context = Unmanaged.passRetained(work).toOpaque()
            let result = pthread_create(
                &thread, nil,
                { context in
                    guard let context else { return nil }
                    Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
                    return nil
                }, context)
            precondition(result == 0, "pthread_create failed: \(result)")
            pthread_detach(thread)
        }
        return try result.get()
    }
}
