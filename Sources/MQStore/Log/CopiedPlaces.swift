/// Decides which number of its queue a copied record gets. Pure; the log's writer owns one.
///
/// A record's sum covers its body alone, so what it says of its queue may be rotten, and a queue must not go where one
/// such number says. As in recovery (`QueueRebuild`):
///
/// 1. The number that is next is taken.
/// 2. A later one is taken when no more is missing than records without a place came since: those places are lost.
/// 3. In a queue that nothing is known of, the first number is taken: the log may have begun in its middle.
/// 4. A 0 that no single flipped bit can have made of the next number says that the topic was made anew.
/// 5. Any other is doubted, and its record is in no queue, until the queue's next record goes on behind it, or, for a 0,
///    the master says how many messages its queue has.
/// 6. Of a doubted 0 and a 1 where 1 is next, both are believed: the topic was made anew after a single message.
struct CopiedPlaces {
    /// A record whose number was not taken yet.
    struct Doubt: Equatable {
        var key: QueueKey
        var queueOffset: Int64
        var entry: QueueEntry
    }

    /// What becomes of a sound record.
    enum Verdict: Equatable {
        case next
        /// After so many lost places.
        case behindLost(Int64)
        case beginsQueue
        case topicMadeAnew
        case doubted
        /// The record that was doubted is right, and this one stands behind it.
        case confirms(Doubt)
    }

    private var doubts: [QueueKey: Doubt] = [:]
    /// How many records came that have no place, and may have had one anywhere.
    private(set) var lostAtMost: Int64 = 0

    /// The queues with a doubted record; beyond that the oldest knowledge goes, and their records stay in no queue.
    static let mostDoubts = 1 << 16

    /// The most places that are left empty at once, as in recovery.
    static let longestGap: Int64 = 1 << 20

    /// Notes a record that is damaged and has not the next place of a queue.
    mutating func passOver() { lostAtMost = min(lostAtMost + 1, Self.longestGap) }

    /// Judges a sound record by the number that its queue has next.
    ///
    /// - Parameter isUnknown: whether nothing was ever seen of the queue.
    mutating func judge(
        _ key: QueueKey, at queueOffset: Int64, entry: QueueEntry, next: Int64, isUnknown: Bool
    ) -> Verdict {
        if queueOffset == next {
            if next == 1, let doubt = doubts[key], doubt.queueOffset == 0 { return .confirms(doubt) }
            doubts[key] = nil
            return .next
        }
        // A doubt outlives its confirmation: when that cannot be written, the same record comes once more.
        if let doubt = doubts[key], doubt.queueOffset + 1 == queueOffset, doubt.entry.logOffset < entry.logOffset {
            return .confirms(doubt)
        }
        if isUnknown { return .beginsQueue }
        if queueOffset > next, queueOffset - next <= lostAtMost {
            lostAtMost -= queueOffset - next
            doubts[key] = nil
            return .behindLost(queueOffset - next)
        }
        if queueOffset == 0, next.nonzeroBitCount > 1 { return .topicMadeAnew }
        if doubts.count >= Self.mostDoubts { doubts.removeAll() }
        doubts[key] = Doubt(key: key, queueOffset: queueOffset, entry: entry)
        passOver()
        return .doubted
    }

    /// Takes over what a start found in the log.
    init(doubting found: [Doubt] = []) {
        for doubt in found.suffix(Self.mostDoubts) { doubts[doubt.key] = doubt }
    }

    /// The doubted beginnings of a topic's queues, or of all, in the log's order.
    func beginnings(of topic: String? = nil) -> [Doubt] {
        guard !doubts.isEmpty else { return [] }
        return doubts.values.filter { (topic == nil || $0.key.topic == topic) && $0.queueOffset == 0 }
            .sorted { $0.entry.logOffset < $1.entry.logOffset }
    }

    /// Forgets what was doubted of a topic.
    mutating func forget(topic: String) { doubts = doubts.filter { $0.key.topic != topic } }
}
