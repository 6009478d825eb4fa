import MQWire
import NIOCore
import SystemPackage

/// Which topics were deleted, and where the log ended at that moment.
///
/// The log keeps a deleted topic's records until they are old. Without this table a recovery that meets them could not
/// tell them from those of a topic that lives, and would either raise the dead or kill the living.
///
/// The file is `deletedTopics.json`, an object of topic and log offset. RocketMQ has none, and passes it over.
struct DeletedTopics: Sendable, Equatable {
    /// The end of the log at the deletion: records before it are of the topic that is gone.
    private(set) var offsets: [String: Int64]

    /// No topic was deleted.
    init() { offsets = [:] }

    /// Reads the file's content; what is no offset is passed over.
    init(json: JSONValue) {
        offsets = [:]
        for member in json.objectValue ?? [] { offsets[member.key] = member.value.integerValue }
    }

    /// The file's content.
    var json: JSONValue {
        .object(offsets.sorted { $0.key < $1.key }.map { JSONMember($0.key, .integer($0.value)) })
    }

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

/// The table of deleted topics and its file; owned by the log's writer once the store is open.
struct DeletedTopicsFile {
    private(set) var table: DeletedTopics
    private let file: ReplacedFile

    /// Reads the file, if there is one.
    init(_ path: FilePath, io: any StorageIO) throws {
        file = ReplacedFile(path, io: io)
        table = try file.load().map { DeletedTopics(json: try JSONValue(parsing: ByteBuffer(bytes: $0))) } ?? .init()
    }

    /// Whether ``delete(_:logStart:logEnd:)`` is going to forget any.
    func forgetsAny(logStart: Int64) -> Bool { table.offsets.values.contains { $0 <= logStart } }

    /// Notes a deletion durably, and forgets those of which the log, beginning at `logStart`, holds nothing.
    mutating func delete(_ topic: String, logStart: Int64, logEnd: Int64) throws(StoreError) {
        var changed = table
        changed.forget(before: logStart)
        changed.delete(topic, logEnd: logEnd)
        try file.save(Array(changed.json.encoded().readableBytesView))
        table = changed
    }

    /// Notes durably that the log ends earlier than it did, if a deletion reaches beyond.
    mutating func shorten(to logEnd: Int64) throws(StoreError) {
        var changed = table
        changed.shorten(to: logEnd)
        guard changed != table else { return }
        try file.save(Array(changed.json.encoded().readableBytesView))
        table = changed
    }
}
