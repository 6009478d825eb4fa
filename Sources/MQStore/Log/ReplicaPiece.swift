import MQWire
public import NIOCore

/// Whole records of a master's log, to be written at their own offsets.
struct ReplicaPiece: Sendable {
    /// Records one after another; a segment's filler by its eight bytes alone, and as the last thing in a piece.
    var bytes: ByteBuffer
    /// Where the first of them stands.
    var logOffset: Int64
    /// Told where the log ends now, on the writer's thread, which it must not block.
    var completion: @Sendable (Result<Int64, StoreError>) -> Void
}

extension MessageStore {
    /// Writes records of another broker's log at the offsets that they have there, and dispatches them.
    ///
    /// - Parameters:
    ///   - bytes: whole records, one after another; a segment's filler by its eight bytes alone, as the last thing.
    ///   - logOffset: where the first of them stands. It must be this log's end, but that an empty log begins wherever a
    ///     segment of the other one does.
    ///   - completion: told the log's new end, on the writer's thread, which it must not block; ``StoreError/Code/layout``
    ///     when the bytes do not go there.
    public func appendReplica(
        _ bytes: ByteBuffer, at logOffset: Int64,
        completion: @escaping @Sendable (Result<Int64, StoreError>) -> Void
    ) {
        writer.submit(ReplicaPiece(bytes: bytes, logOffset: logOffset, completion: completion))
    }

    /// Bytes of the log from an offset on, as far as they are published: up to `maximumBytes`, and of one segment.
    ///
    /// Blocks on the disk when the page cache misses. Empty at the log's end.
    public func readLog(from logOffset: Int64, maximumBytes: Int) throws(StoreError) -> ByteBuffer {
        var buffer = ByteBuffer()
        let segmentEnd = (logOffset / configuration.segmentBytes + 1) * configuration.segmentBytes
        let end = min(logOffset + Int64(maximumBytes), progress.writtenOffset, segmentEnd)
        if end > logOffset { try log.read(at: logOffset, count: Int(end - logOffset), into: &buffer) }
        return buffer
    }

    /// The CRC-32 of the log's bytes before an offset, so many of them; `nil` when they are not all here.
    public func checksum(before end: Int64, count: Int64) throws(StoreError) -> UInt32? {
        guard count > 0, count <= Self.comparedBytes, end <= progress.writtenOffset, end - count >= log.firstOffset
        else { return nil }
        var all = ByteBuffer()
        while Int64(all.readableBytes) < count {
            let position = end - count + Int64(all.readableBytes)
            var part = try readLog(from: position, maximumBytes: Int(end - position))
            guard part.readableBytes > 0 else { return nil }
            all.writeBuffer(&part)
        }
        return BodyChecksum.body(all)
    }

    /// How many bytes of two logs are compared at most to see that one is the other's beginning.
    public static let comparedBytes: Int64 = 64 << 10

    /// Waits until the log goes on behind an offset, or `isOver`, or for so long at most; gives its end. Blocks the calling
    /// thread.
    ///
    /// Whoever makes `isOver` true calls ``wakeLogWaiters()`` afterwards.
    public func waitForLog(
        beyond logOffset: Int64, atMostMilliseconds: Int64, orUntil isOver: () -> Bool = { false }
    ) -> Int64 {
        progress.wait(beyond: logOffset, atMostMilliseconds: atMostMilliseconds, orUntil: isOver)
    }

    /// Has somebody told whenever the log goes on or more of it is synced, on the store's threads, which must not be blocked;
    /// nobody with `nil`.
    public func observeLog(_ told: (@Sendable () -> Void)?) { progress.observe(told) }

    /// Wakes all who wait for the log to go on.
    public func wakeLogWaiters() { progress.wakeWaiters() }
}
