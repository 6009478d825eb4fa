/// Threads that may block, for one kind of work.
public protocol BlockingWorker: AnyObject, Sendable {
    /// What is done on such a thread.
    typealias Work = @Sendable (WorkTurn) -> Void

    /// Does the work on one of the threads, in the order of asking.
    func submit(_ work: @escaping Work)
}
