import MQWire
import NIOCore
import SystemPackage

/// The table of deleted topics and its file; owned by the log's writer once the store is open.
///
/// The file is `deletedTopics.json`, an object of topic and log offset, and of a sum over them, whose name no topic can
/// have. It has no backup: an older table may cover what was written since in places that the log had lost.
struct DeletedTopicsFile {
    private(set) var table: DeletedTopics
    /// Whether the file covers places behind the log's end, as there was no space to write it. Nothing may be written there
    /// before it is.
    private(set) var isOwed = false
    private let file: ReplacedFile

    /// What holds the sum in hexadecimal digits.
    private static let sumName = "/crc32"

    /// Reads the file, if there is one.
    ///
    /// - Parameter logEnd: the end of the log's files. A file without a sum, of an earlier version, is not believed beyond
    ///   it: a digit that went bad would hide all messages of a topic that lives.
    /// - Throws: ``StoreError`` with ``StoreError/Code/broken`` when it does not hold what was written.
    init(_ path: FilePath, io: any StorageIO, logEnd: Int64) throws(StoreError) {
        file = ReplacedFile(path, io: io, keepsBackup: false)
        let loaded: [UInt8]?
        do throws(StoreError) { loaded = try file.load() } catch {
            // To go on without it would bring deleted topics back, which its owner has to decide.
            guard error.code == .unreadable else { throw error }
            throw Self.broken(path, "the disk cannot read it", error.cause)
        }
        guard let bytes = loaded else {
            table = DeletedTopics()
            return
        }
        do { table = try Self.table(bytes, logEnd: logEnd) } catch { throw Self.broken(path, "\(error)", nil) }
    }

    private static func broken(_ path: FilePath, _ what: String, _ cause: Errno?) -> StoreError {
        StoreError(
            .broken, path: path,
            message: "\(what). Put a sound copy in its place, or move it away: topics that were deleted come back "
                + "then, as far as the log has them", cause: cause)
    }

    private struct Objection: Error, CustomStringConvertible {
        var description: String
    }

    private static func table(_ bytes: [UInt8], logEnd: Int64) throws -> DeletedTopics {
        guard let members = try JSONValue(parsing: ByteBuffer(bytes: bytes)).objectValue else {
            throw Objection(description: "it is no object of topics and offsets")
        }
        var offsets: [String: Int64] = [:]
        var sum: String?
        for member in members {
            if member.key == sumName {
                sum = member.value.stringValue ?? ""
            } else if let offset = member.value.integerValue {
                offsets[member.key] = offset
            }
        }
        let table = DeletedTopics(offsets: offsets)
        guard let sum else { return DeletedTopics(offsets: offsets.filter { $0.value <= logEnd }) }
        guard sum == Self.sum(of: table) else { throw Objection(description: "its content does not have its sum") }
        return table
    }

    private static func sum(of table: DeletedTopics) -> String {
        let text = JSONValue.object(members(of: table)).encoded()
        return String(text.withUnsafeReadableBytes(BodyChecksum.crc32), radix: 16)
    }

    private static func members(of table: DeletedTopics) -> [JSONMember] {
        table.offsets.sorted { $0.key < $1.key }.map { JSONMember($0.key, .integer($0.value)) }
    }

    private func save(_ table: DeletedTopics) throws(StoreError) {
        let members = [JSONMember(Self.sumName, .string(Self.sum(of: table)))] + Self.members(of: table)
        try file.save(Array(JSONValue.object(members).encoded().readableBytesView))
    }

    /// Whether ``delete(_:logStart:logEnd:)`` is going to forget any.
    func forgetsAny(logStart: Int64) -> Bool { table.offsets.values.contains { $0 <= logStart } }

    /// Notes a deletion durably, and forgets those of which the log, beginning at `logStart`, holds nothing.
    mutating func delete(_ topic: String, logStart: Int64, logEnd: Int64) throws(StoreError) {
        var changed = table
        changed.forget(before: logStart)
        changed.delete(topic, logEnd: logEnd)
        try save(changed)
        table = changed
        isOwed = false
    }

    /// Takes in deletions that another implementation made and did not note: all that the log has of these topics is dead.
    /// They are on the disk after ``shorten(to:)``.
    mutating func assume(_ topics: Set<String>, logEnd: Int64) {
        for topic in topics { table.delete(topic, logEnd: logEnd) }
        if !topics.isEmpty { isOwed = true }
    }

    /// Takes in that the log ends earlier than it did, and notes it durably if a deletion reaches beyond.
    ///
    /// A full disk must not keep the broker from starting, and from making room: ``settle()`` follows then.
    mutating func shorten(to logEnd: Int64) throws(StoreError) {
        var changed = table
        changed.shorten(to: logEnd)
        if changed != table { isOwed = true }
        table = changed
        do throws(StoreError) { try settle() } catch {
            guard error.code == .diskFull else { throw error }
        }
    }

    /// Writes what there was no space for, if anything.
    mutating func settle() throws(StoreError) {
        guard isOwed else { return }
        try save(table)
        isOwed = false
    }
}
