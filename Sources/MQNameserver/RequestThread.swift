import MQTransport
import NIOPosix

/// One thread for requests that would hold up an event loop: what it is given is done in the order of asking.
final class RequestThread: BlockingWorker {
    private let pool = NIOThreadPool(numberOfThreads: 1)

    /// Begins; until then nothing is done.
    func start() { pool.start() }

    /// There is but one thread.
    var shareOfConnection: Int { 1 }

    /// Nobody asks how long requests waited.
    func begin() -> Int64 { 0 }

    func end(since: Int64) -> WorkTurn { .work }

    func submit(_ run: @escaping @Sendable (_ isActive: Bool) -> Void) {
        pool.submit { state in
            if case .active = state { run(true) } else { run(false) }
        }
    }

    /// Does work that belongs to no request; not any more when the thread has ended.
    func perform(_ work: @escaping @Sendable () -> Void) {
        submit { isActive in if isActive { work() } }
    }

    /// Ends the thread; what waits is dropped.
    func stop() async { try? await pool.shutdownGracefully() }
}
