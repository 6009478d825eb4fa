/// Threads that may block, for one kind of work.
public protocol BlockingWorker: AnyObject, Sendable {
    /// What is done on such a thread.
    typealias Work = @Sendable (WorkTurn) -> Void

    /// How much of its threads' time one connection may have at once.
    var shareOfConnection: Int { get }

    /// A piece of work has begun to wait, wherever; gives the moment, on a clock of the worker's own.
    func begin() -> Int64

    /// A piece of work that began to wait then is about to be done, or was dropped; what becomes of it.
    func end(since: Int64) -> WorkTurn

    /// Has `run` called on one of the threads, in the order of asking; told whether those still run.
    func submit(_ run: @escaping @Sendable (_ isActive: Bool) -> Void)
}
