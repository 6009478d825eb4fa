import NIOCore

/// What a slave says of itself before its first report, when its group may change its master; only to a master of ours.
///
/// ```
/// │ mark 8 │ broker 8 │ incarnation 8 │ epoch 8 │ epoch's mark 8 │ logOffset 8 │   logOffset is where it wants the log from
/// ```
///
/// The mark is a report that no slave makes: the complement of it would be a place behind every log.
public struct FollowerHello: Sendable, Hashable {
    /// The slave and its store.
    public var replica: Replica
    /// The epoch in which it takes the other end for the master; in another one its log would have to be compared anew.
    public var epoch: Epoch
    /// Where it wants the log from: the end of its own.
    public var start: Int64

    public init(replica: Replica, epoch: Epoch, start: Int64) {
        self.replica = replica
        self.epoch = epoch
        self.start = start
    }

    static let mark = Int64.min
    /// All but the mark.
    static let bodyBytes = 40

    func encoded() -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeMultipleIntegers(
            Self.mark, replica.id.number, replica.incarnation, epoch.number, epoch.mark, start)
        return buffer
    }

    /// Reads what follows the mark; `nil` while it is not all there.
    init?(after buffer: inout ByteBuffer) {
        guard buffer.readableBytes >= Self.bodyBytes,
            let (id, incarnation, number, mark, start) = buffer.readMultipleIntegers(
                as: (Int64, UInt64, Int64, UInt64, Int64).self)
        else { return nil }
        self.init(
            replica: Replica(id: ReplicaID(id), incarnation: incarnation), epoch: Epoch(number: number, mark: mark),
            start: start)
    }
}

/// Who is told of a master's followers, and of what they have, where somebody counts them. Called on the links' threads, which
/// must not be blocked.
public struct FollowerEvents: Sendable {
    /// A follower says what it has; `session` tells its connections apart, later ones are greater.
    public var reported: @Sendable (Replica, _ session: Int, _ offset: Int64) -> Void
    public var left: @Sendable (ReplicaID, _ session: Int) -> Void

    public init(
        reported: @escaping @Sendable (Replica, _ session: Int, _ offset: Int64) -> Void,
        left: @escaping @Sendable (ReplicaID, _ session: Int) -> Void
    ) {
        self.reported = reported
        self.left = left
    }
}
