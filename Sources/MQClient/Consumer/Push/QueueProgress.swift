/// What one queue's reader has taken and what of it is done. A value: the reader is its shell.
///
/// Messages may be finished in any order; the offset to commit is before the first that is not.
struct QueueProgress: Sendable {
    /// What may be taken and not done yet, before the reader waits.
    struct Limits: Sendable {
        /// Messages.
        var messages: Int
        /// Bytes of bodies.
        var bytes: Int
        /// From the first that is not done to the last that was taken: behind one that hangs, not everything is read.
        var span: Int64
    }

    private var open: [Int64: Int] = [:]
    private var openBytes = 0
    private var next: Int64

    /// A queue that is read from an offset on.
    init(from offset: Int64) { next = offset }

    /// How many messages are taken and not done.
    var openCount: Int { open.count }

    /// Where the group goes on when this member is gone: the first offset that is not done.
    var commitOffset: Int64 { open.keys.min() ?? next }

    /// Whether more may be taken.
    func hasRoom(_ limits: Limits) -> Bool {
        open.count < limits.messages && openBytes < limits.bytes && next - commitOffset < limits.span
    }

    /// A message was taken.
    mutating func take(_ offset: Int64, bytes: Int) {
        open[offset] = bytes
        openBytes += bytes
        next = max(next, offset + 1)
    }

    /// A pull has passed an offset; what lay before and was not delivered was not meant for this group.
    mutating func pass(to offset: Int64) { next = max(next, offset) }

    /// A message is done; twice is once.
    mutating func finish(_ offset: Int64) {
        guard let bytes = open.removeValue(forKey: offset) else { return }
        openBytes -= bytes
    }
}
