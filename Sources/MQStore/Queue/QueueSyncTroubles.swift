/// Decides what is done about queues whose sync failed. Pure.
///
/// 1. After a failed sync the cache holds what the disk may lack, and calls it clean: it is written over with itself, and
///    synced again.
/// 2. When that has failed ``rewritesAtMost`` times, the queue is given up until the next start, which makes it anew from
///    the log: neither checkpoints nor retention wait for it any more.
struct QueueSyncTroubles: Sendable {
    /// What is to be done now.
    enum Step: Sendable, Equatable {
        case writeOver
        case giveUp
    }

    /// How often a queue is written over before it is given up.
    static let rewritesAtMost = 2

    private var rewrites: [QueueKey: Int] = [:]

    /// A queue's sync failed.
    mutating func failed(_ key: QueueKey) -> Step {
        let done = rewrites[key, default: 0]
        guard done < Self.rewritesAtMost else { return .giveUp }
        rewrites[key] = done + 1
        return .writeOver
    }

    /// All but these are synced.
    mutating func wentWell(but failed: Set<QueueKey>) {
        if !rewrites.isEmpty { rewrites = rewrites.filter { failed.contains($0.key) } }
    }
}
