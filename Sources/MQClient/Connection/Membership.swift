import Synchronization

/// Tells the consumers of this client when a broker says that their group has changed.
final class Membership: Sendable {
    private let followers = Mutex<[String: AsyncStream<Void>.Continuation]>([:])

    /// News of a group, until ``unfollow(_:)``; several at once are one.
    ///
    /// - Throws: ``MQClientError/invalid(reason:)`` when the group is followed already. To brokers a client is one member
    ///   of a group: two consumers of one group here would read the same queues.
    func follow(_ group: String) throws(MQClientError) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let isFirst = followers.withLock { followers in
            guard followers[group] == nil else { return false }
            followers[group] = continuation
            return true
        }
        guard isFirst else {
            throw .invalid(
                reason: "group \(group) has a consumer on this connection already (give the second one its own)")
        }
        return stream
    }

    func unfollow(_ group: String) {
        followers.withLock { $0.removeValue(forKey: group) }?.finish()
    }

    /// A group has members that it had not, or has lost some.
    func changed(_ group: String) { followers.withLock { $0[group] }?.yield() }
}
