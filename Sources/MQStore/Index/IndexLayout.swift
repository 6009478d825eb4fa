import MQWire
import NIOCore

/// The shape of an index file, as RocketMQ's `IndexFile` has it: a header, hash slots, entries in their order of arrival.
///
/// ```
/// ┌───────────┬───────────────────────┬──────────────────────────────────────────────────┐
/// │ header 40 │ slotCount × newest 4  │ entryCount × (hash 4, log 8, seconds 4, older 4) │   big-endian
/// └───────────┴───────────────────────┴──────────────────────────────────────────────────┘
/// ```
/// A slot names the newest entry whose hash falls into it, an entry the next older one; 0 ends the chain, so that
/// entry 0 is never used.
struct IndexLayout: Sendable, Hashable {
    /// The slots of a file (`maxHashSlotNum`).
    var slotCount: Int
    /// The entries of a file, the unused first one included (`maxIndexNum`).
    var entryCount: Int

    /// The bytes of a header.
    static let headerBytes = 40
    /// The bytes of an entry.
    static let entryBytes = 20

    /// The size of a file in bytes.
    var fileBytes: Int64 { Int64(Self.headerBytes + 4 * slotCount + Self.entryBytes * entryCount) }
    /// The position of the slots in the file.
    static var slotsPosition: Int64 { Int64(headerBytes) }

    /// The position of an entry in the file.
    func position(ofEntry number: UInt32) -> Int64 {
        Int64(Self.headerBytes + 4 * slotCount + Self.entryBytes * Int(number))
    }

    /// The slot of a hash.
    func slot(of hash: Int32) -> Int { Int(hash) % slotCount }

    /// The hash under which a key of a topic is found: Java's of `topic#key`, its sign taken away.
    static func hash(topic: String, key: some StringProtocol) -> Int32 {
        let hash = JavaStringHash.hash(key, after: JavaStringHash.hash("#", after: JavaStringHash.hash(topic)))
        // The smallest number has no positive counterpart; RocketMQ takes 0.
        return hash == .min ? 0 : abs(hash)
    }
}

/// What an index file says of itself.
struct IndexHeader: Sendable, Hashable {
    /// The store time of the first message, milliseconds since 1970; entries count their seconds from here.
    var beginTimestamp: Int64 = 0
    /// The store time of the last message.
    var endTimestamp: Int64 = 0
    /// The log offset of the first message.
    var beginOffset: Int64 = 0
    /// The log offset of the last message.
    var endOffset: Int64 = 0
    /// How many slots lead to an entry.
    var usedSlots: Int32 = 0
    /// The number of the next entry; 1 in an empty file.
    var nextEntry: UInt32 = 1

    /// Whether nothing is indexed here.
    var isEmpty: Bool { nextEntry <= 1 }

    /// A header of an empty file.
    init() {}

    /// Reads 40 bytes; `nil` when there are fewer.
    init?(_ bytes: ByteBuffer) {
        var bytes = bytes
        guard
            let (begin, end, beginOffset, endOffset, slots, next) = bytes.readMultipleIntegers(
                as: (Int64, Int64, Int64, Int64, Int32, UInt32).self)
        else { return nil }
        beginTimestamp = begin
        endTimestamp = end
        self.beginOffset = beginOffset
        self.endOffset = endOffset
        usedSlots = slots
        nextEntry = next
    }

    /// The 40 bytes.
    var encoded: [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeMultipleIntegers(beginTimestamp, endTimestamp, beginOffset, endOffset, usedSlots, nextEntry)
        return Array(buffer.readableBytesView)
    }

    /// Whether any message of the file may have been stored within the times; taken to the second, as its entries are.
    func overlaps(_ times: ClosedRange<Int64>) -> Bool {
        !isEmpty && beginTimestamp <= times.upperBound && endTimestamp / 1000 >= times.lowerBound / 1000
    }
}

/// One key of one message in an index file.
struct IndexEntry: Sendable, Hashable {
    /// The key's hash, 0 or more.
    var hash: Int32
    /// Where the message's record begins in the log.
    var logOffset: Int64
    /// When it was stored, in whole seconds since the file's first message.
    var seconds: Int32
    /// The next older entry of the same slot; 0 when there is none.
    var older: UInt32

    /// Reads 20 bytes; `nil` when there are fewer.
    init?(from buffer: inout ByteBuffer) {
        guard
            let (hash, offset, seconds, older) = buffer.readMultipleIntegers(as: (Int32, Int64, Int32, UInt32).self)
        else { return nil }
        self.hash = hash
        logOffset = offset
        self.seconds = seconds
        self.older = older
    }

    /// An entry with these parts.
    init(hash: Int32, logOffset: Int64, seconds: Int32, older: UInt32) {
        self.hash = hash
        self.logOffset = logOffset
        self.seconds = seconds
        self.older = older
    }

    func write(to buffer: inout ByteBuffer) { buffer.writeMultipleIntegers(hash, logOffset, seconds, older) }

    /// The seconds from the file's first message to one stored at `timestamp`; never negative.
    static func seconds(from begin: Int64, to timestamp: Int64) -> Int32 {
        guard begin > 0 else { return 0 }
        // Times stand in files and records that may be damaged: two of them may be further apart than 64 bits count.
        let (apart, overflow) = timestamp.subtractingReportingOverflow(begin)
        return overflow ? 0 : Int32(clamping: max(0, min(Int64(Int32.max), apart)) / 1000)
    }
}

/// A message's keys, ready for the index.
struct IndexedMessage: Sendable, Hashable {
    /// Where its record begins in the log.
    var logOffset: Int64
    /// When it was stored, milliseconds since 1970.
    var storeTimestamp: Int64
    /// The hashes of its keys: its unique id first, then each of its own.
    var hashes: [Int32]

    /// The most keys of one message that are indexed: a properties field of 32 KiB could name thousands.
    static let keyLimit = 256

    /// The keys of a record; `nil` when it has none or is the note of a rolled-back transaction.
    init?(_ record: StoredRecord) {
        guard record.sysFlag.transaction != .transactionRollback else { return nil }
        var hashes: [Int32] = []
        if let id = MessageProperties.value(of: "UNIQ_KEY", in: record.encodedProperties) {
            hashes.append(IndexLayout.hash(topic: record.topic, key: id))
        }
        if let keys = MessageProperties.value(of: "KEYS", in: record.encodedProperties) {
            for key in keys.split(separator: " ").prefix(Self.keyLimit - 1) {
                hashes.append(IndexLayout.hash(topic: record.topic, key: key))
            }
        }
        if hashes.isEmpty { return nil }
        logOffset = record.logOffset
        storeTimestamp = record.storeTimestamp
        self.hashes = hashes
    }
}
