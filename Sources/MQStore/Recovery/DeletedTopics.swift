/// Which topics were deleted, and where the log ended at that moment.
///
/// The log keeps a deleted topic's records until they are old. Without this table a recovery that meets them could not
/// tell them from those of a topic that lives, and would either raise the dead or kill the living.
///
/// RocketMQ has none, and passes the file over (``DeletedTopicsFile``).
struct DeletedTopics: Sendable, Equatable {
    /// The end of the log at the deletion: records before it are of the topic that is gone.
    private(set) var offsets: [String: Int64]

    /// No topic was deleted, or these.
    init(offsets: [String: Int64] = [:]) { self.offsets = offsets }

    /// Notes that a topic is deleted while the log ends at `logEnd`.
    mutating func delete(_ topic: String, logEnd: Int64) { offsets[topic] = logEnd }

    /// Takes back what the log lost: a deletion cannot cover what is yet to be written.
    mutating func shorten(to logEnd: Int64) { offsets = offsets.mapValues { min($0, logEnd) } }

    /// Whether a record of the topic at this place is of one that was deleted.
    func covers(_ topic: String, at logOffset: Int64) -> Bool {
        guard !offsets.isEmpty, let end = offsets[topic] else { return false }
        return logOffset < end
    }

    /// Whether the topic was deleted when the log ended there, or later.
    func isDeleted(_ topic: String, since logEnd: Int64) -> Bool { offsets[topic].map { $0 >= logEnd } ?? false }

    /// Forgets deletions of which the log holds no record any more.
    mutating func forget(before logStart: Int64) { offsets = offsets.filter { $0.value > logStart } }
}
