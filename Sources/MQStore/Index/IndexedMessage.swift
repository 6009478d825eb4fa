import MQWire
import NIOCore

/// A message's keys, ready for the index.
struct IndexedMessage: Sendable, Hashable {
    /// Where its record begins in the log.
    var logOffset: Int64
    /// When it was stored, milliseconds since 1970.
    var storeTimestamp: Int64
    /// The hashes of its keys: its unique id first, then each of its own.
    var hashes: KeyHashes

    /// The most keys of one message that are indexed: a properties field of 32 KiB could name thousands.
    static let keyLimit = 256

    /// The keys of a record; `nil` when it has none or is the note of a rolled-back transaction.
    init?(_ record: StoredRecord) {
        var topic = record.topic
        let prefix = topic.withUTF8 { IndexLayout.prefix(utf8: UnsafeRawBufferPointer($0)) }
        let hashes = record.encodedProperties.withUnsafeReadableBytes { KeyHashes($0, prefix: prefix) }
        guard record.sysFlag.transaction != .transactionRollback, hashes.count > 0 else { return nil }
        logOffset = record.logOffset
        storeTimestamp = record.storeTimestamp
        self.hashes = hashes
    }

    /// The same of a record's bytes.
    init?(_ glance: RecordGlance, _ bytes: UnsafeRawBufferPointer) {
        guard glance.sysFlag.transaction != .transactionRollback else { return nil }
        let prefix = IndexLayout.prefix(utf8: UnsafeRawBufferPointer(rebasing: bytes[glance.topic]))
        hashes = KeyHashes(UnsafeRawBufferPointer(rebasing: bytes[glance.properties]), prefix: prefix)
        if hashes.isEmpty { return nil }
        logOffset = glance.logOffset
        storeTimestamp = glance.storeTimestamp
    }
}

/// The hashes of a message's keys; a single one, as most messages have, takes no memory of its own.
struct KeyHashes: RandomAccessCollection, Hashable, Sendable {
    private var first: Int32 = 0
    private var others: [Int32] = []
    private(set) var endIndex = 0
    var startIndex: Int { 0 }

    /// The keys in a message's encoded properties.
    init(_ properties: UnsafeRawBufferPointer, prefix: Int32) {
        if let id = MessageProperties.range(of: "UNIQ_KEY", in: properties) {
            append(IndexLayout.hash(utf8: UnsafeRawBufferPointer(rebasing: properties[id]), after: prefix))
        }
        guard let keys = MessageProperties.range(of: "KEYS", in: properties) else { return }
        for key in properties[keys].split(separator: UInt8(ascii: " ")).prefix(IndexedMessage.keyLimit - 1) {
            append(IndexLayout.hash(utf8: UnsafeRawBufferPointer(rebasing: key), after: prefix))
        }
    }

    subscript(position: Int) -> Int32 {
        precondition(position >= 0 && position < endIndex, "there are \(endIndex) keys, and not one \(position)")
        return position == 0 ? first : others[position - 1]
    }

    private mutating func append(_ hash: Int32) {
        if endIndex == 0 { first = hash } else { others.append(hash) }
        endIndex += 1
    }

    /// Forgets all but so many.
    mutating func shorten(to count: Int) {
        guard count < endIndex else { return }
        others.removeLast(endIndex - Swift.max(1, count))
        endIndex = count
    }
}
