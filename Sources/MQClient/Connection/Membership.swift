import Synchronization

/// Tells the consumers of this client when a broker says that their group has changed.
final class Membership: Sendable {
    private let followers = Mutex<[String: AsyncStream<Void>.Continuation]>([:])

    /// News of a group; several at once are one.
    func follow(_ group: String) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        followers.withLock { $0.updateValue(continuation, forKey: group) }?.finish()
        return stream
    }

    func unfollow(_ group: String) {
        followers.withLock { $0.removeValue(forKey: group) }?.finish()
    }

    /// A group has members that it had not, or has lost some.
    func changed(_ group: String) { followers.withLock { $0[group] }?.yield() }
}
