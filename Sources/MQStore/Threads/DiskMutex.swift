import Synchronization

/// A lock that is held while the disk works, so that whoever wants it may wait as long as the disk likes.
///
/// Every lock of the store that is held over a call of ``StorageIO`` is one of these, and no other may be: a simulation
/// that lets the store's threads run one at a time hears of them, and hands the turn to nobody who would wait for one.
final class DiskMutex<Value>: Sendable {
    private let mutex: Mutex<Value>

    init(_ value: sending Value) { mutex = Mutex(value) }

    /// Works on the value under the lock.
    func withLock<Result, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        guard let turns = CurrentTurns.value else { return try mutex.withLock(body) }
        turns.willLock(ObjectIdentifier(self))
        defer { turns.didUnlock(ObjectIdentifier(self)) }
        return try mutex.withLock(body)
    }
}

/// Who decides which of the store's threads runs, when it is not the kernel.
protocol DiskTurns: Sendable {
    /// The calling thread is about to take a lock; returns once nobody holds it.
    func willLock(_ lock: ObjectIdentifier)
    /// The calling thread gave a lock back.
    func didUnlock(_ lock: ObjectIdentifier)
}

/// The calling thread's ``DiskTurns``.
enum CurrentTurns {
    /// `nil` where the kernel decides.
    @TaskLocal static var value: (any DiskTurns)?
}
