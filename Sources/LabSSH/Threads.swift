import Glibc

/// Plain threads, for what blocks: name look-up, and the loops of `IOThread`.
enum Threads {
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a detached thread. The system not giving one is as fatal as it giving no memory.
    static func detach(_ run: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let body = Unmanaged.passRetained(Body(run)).toOpaque()
        let failure = pthread_create(
            &thread, nil,
            { body in
                guard let body else { return nil }
                Unmanaged<Body>.fromOpaque(body).takeRetainedValue().run()
                return nil
            }, body)
        precondition(failure == 0, "no thread: errno \(failure)")
        pthread_detach(thread)
    }

    /// Runs something that blocks on a thread of its own and gives its result.
    static func blocking<R: Sendable>(
        isolation: isolated (any Actor)? = #isolation, _ run: @escaping @Sendable () -> R
    ) async -> R {
        await withCheckedContinuation { continuation in
            detach { continuation.resume(returning: run()) }
        }
    }
}
