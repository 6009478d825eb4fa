import Synchronization

/// The memory that a server's connections may hold together: frames in the making, and requests that are unanswered.
///
/// One connection is bounded by its frame limit; thousands of them are not. Above the budget
/// 1. who holds no more than its fair share (the budget divided by the connections) reads on, so that small requests
///    pass while large ones are stuck;
/// 2. who holds more pauses, and TCP tells its peer;
/// 3. except one at a time, which is favoured until it is back at its share: when all memory is in half frames,
///    somebody must be able to finish.
///
/// So not more is held than twice the budget and one frame. Shared by all ports of a daemon.
public final class ByteBudget: Sendable {
    /// The default, in bytes: eight of the longest frames.
    public static let standardBytes = 128 << 20

    /// The bytes above which reading pauses.
    public let limitBytes: Int

    private let held = Atomic(0)
    private let accounts = Atomic(0)
    private let paused = Mutex(Paused())

    private struct Paused {
        var connections: [UInt64: RemotingConnection] = [:]
        var favoured: UInt64?
    }

    /// A budget of so many bytes.
    public init(limitBytes: Int = ByteBudget.standardBytes) {
        precondition(limitBytes > 0, "a budget of \(limitBytes) bytes")
        self.limitBytes = limitBytes
    }

    /// What is held at this moment, in bytes.
    public var heldBytes: Int { held.load(ordering: .acquiring) }

    /// Rule 1.
    static func isFairShare(ownBytes: Int, limitBytes: Int, connections: Int) -> Bool {
        ownBytes <= limitBytes / max(1, connections)
    }

    func opened() { accounts.wrappingAdd(1, ordering: .relaxed) }

    func closed(_ connection: UInt64, ownBytes: Int) {
        accounts.wrappingSubtract(1, ordering: .relaxed)
        paused.withLock { paused in
            paused.connections[connection] = nil
            if paused.favoured == connection { paused.favoured = nil }
        }
        change(by: -ownBytes)
        wakePaused()
    }

    func change(by bytes: Int) {
        guard bytes != 0 else { return }
        let before = held.wrappingAdd(bytes, ordering: .acquiringAndReleasing).oldValue
        if before >= limitBytes, before + bytes < limitBytes { wakePaused() }
    }

    /// Whether a connection may read on; when not, it is woken once that may have changed.
    func mayRead(_ connection: RemotingConnection, ownBytes: Int) -> Bool {
        guard heldBytes >= limitBytes, !isFair(ownBytes) else { return true }
        return paused.withLock { paused in
            if paused.favoured == nil { paused.favoured = connection.id }
            // Looked at again under the lock: who gave bytes back before it found nobody to wake.
            if paused.favoured == connection.id || heldBytes < limitBytes { return true }
            paused.connections[connection.id] = connection
            return false
        }
    }

    /// Whether more may be held for a connection; nobody is woken when not.
    func hasRoom(ownBytes: Int) -> Bool { heldBytes < limitBytes || isFair(ownBytes) }

    /// A connection holds less than before; who was favoured and is back at its share makes room for the next.
    func shrank(_ connection: UInt64, ownBytes: Int) {
        guard heldBytes >= limitBytes, isFair(ownBytes) else { return }
        let wasFavoured = paused.withLock { paused in
            guard paused.favoured == connection else { return false }
            paused.favoured = nil
            return true
        }
        if wasFavoured { wakePaused() }
    }

    private func isFair(_ ownBytes: Int) -> Bool {
        Self.isFairShare(
            ownBytes: ownBytes, limitBytes: limitBytes, connections: accounts.load(ordering: .relaxed))
    }

    private func wakePaused() {
        let woken = paused.withLock { paused in
            if heldBytes < limitBytes { paused.favoured = nil }
            defer { paused.connections = [:] }
            return paused.connections
        }
        for connection in woken.values { connection.wakeReader() }
    }
}
