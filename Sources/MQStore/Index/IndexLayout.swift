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
    /// The shape of a file of so many bytes, which does not say it: its slots, or else four entries for each slot, as it is
    /// unless somebody has set both. `nil` when that can't be.
    init?(fileBytes: Int64, slotCount slots: Int? = nil) {
        let room = fileBytes - Int64(Self.headerBytes)
        let unit = Int64(4 + 4 * Self.entryBytes)
        if let slots {
            guard slots > 0, room > 4 * Int64(slots), (room - 4 * Int64(slots)) % Int64(Self.entryBytes) == 0 else {
                return nil
            }
            self.init(slotCount: slots, entryCount: Int(room - 4 * Int64(slots)) / Self.entryBytes)
        } else {
            guard room > 0, room % unit == 0 else { return nil }
            self.init(slotCount: Int(room / unit), entryCount: 4 * Int(room / unit))
        }
    }

    init(slotCount: Int, entryCount: Int) {
        self.slotCount = slotCount
        self.entryCount = entryCount
    }

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
        unsigned(JavaStringHash.hash(key, after: prefix(of: topic)))
    }

    /// The same for a key whose bytes stand there in UTF-8; `prefix` is ``prefix(of:)`` its topic.
    static func hash(utf8 key: UnsafeRawBufferPointer, after prefix: Int32) -> Int32 {
        unsigned(JavaStringHash.hash(utf8: key, after: prefix))
    }

    /// The hash of what stands before each key of a topic.
    static func prefix(of topic: String) -> Int32 { withSeparator(JavaStringHash.hash(topic)) }

    /// The same for a topic that stands there in UTF-8.
    static func prefix(utf8 topic: UnsafeRawBufferPointer) -> Int32 {
        withSeparator(JavaStringHash.hash(utf8: topic))
    }

    private static func withSeparator(_ topic: Int32) -> Int32 { topic &* 31 &+ Int32(UInt8(ascii: "#")) }

    /// The smallest number has no positive counterpart; RocketMQ takes 0.
    private static func unsigned(_ hash: Int32) -> Int32 { hash == .min ? 0 : abs(hash) }
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
        return overflow ? 0 : Int32(clamping: max(0, apart / 1000))
    }
}
