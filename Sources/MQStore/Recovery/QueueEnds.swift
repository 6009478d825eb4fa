import MQWire
import NIOCore
import SystemPackage

/// Where each queue began and ended at some moment, so that a later start notices a queue whose files are gone.
///
/// ```
/// ┌─────────┬───────────┬─────────┬────────────┬────────────────┬──────────┐   CRC-32 4 at the end
/// │ magic 8 │ version 4 │ count 4 │ logStart 8 │ logEndBefore 8 │ logEnd 8 │
/// └─────────┴───────────┴─────────┴────────────┴────────────────┴──────────┘
/// for each queue: │ topicLength 1 │ topic │ queueID 4 │ start 8 │ end 8 │
/// ```
/// The file is `queueEnds`. RocketMQ has none, and passes it over: what it tells is "at least", and stays true while
/// queues grow. It is believed beside a checkpoint of ours only (``StoreNotes``).
struct QueueEnds: Sendable, Equatable {
    /// One queue, its first message, and one past its last.
    struct Entry: Sendable, Equatable {
        var key: QueueKey
        var start: Int64
        var end: Int64
    }

    /// Where the log began: a later beginning takes queues' beginnings with it.
    var logStart: Int64
    /// The log's end before the queues were looked at: a topic whose deletion is older is not the one deleted.
    var logEndBefore: Int64
    /// The log's end afterwards: no entry leads behind it.
    var logEnd: Int64
    var entries: [Entry]

    private static let magic: UInt64 = 0x5345_4154_5155_4555  // "SEATQUEU"
    private static let version: Int32 = 1
    private static let headerBytes = 8 + 4 + 4 + 3 * 8

    init(logStart: Int64, logEndBefore: Int64, logEnd: Int64, entries: [Entry]) {
        self.logStart = logStart
        self.logEndBefore = logEndBefore
        self.logEnd = logEnd
        self.entries = entries
    }

    /// Reads the file's content; `nil` when it is none, or went bad.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.headerBytes + 4 else { return nil }
        var buffer = ByteBuffer(bytes: bytes.dropLast(4))
        let stored = bytes.suffix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard stored == buffer.withUnsafeReadableBytes(BodyChecksum.crc32),
            let (magic, version, count, start, before, end) = buffer.readMultipleIntegers(
                as: (UInt64, Int32, Int32, Int64, Int64, Int64).self),
            magic == Self.magic, version == Self.version
        else { return nil }
        self.init(logStart: start, logEndBefore: before, logEnd: end, entries: [])
        for _ in 0..<max(0, count) {
            guard let length = buffer.readInteger(as: UInt8.self), let topic = buffer.readString(length: Int(length)),
                let (queueID, start, end) = buffer.readMultipleIntegers(as: (Int32, Int64, Int64).self)
            else { return nil }
            entries.append(Entry(key: QueueKey(topic: topic, queueID: queueID), start: start, end: end))
        }
    }

    /// The file's content.
    var bytes: [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeMultipleIntegers(
            Self.magic, Self.version, Int32(entries.count), logStart, logEndBefore, logEnd)
        for entry in entries {
            buffer.writeInteger(UInt8(entry.key.topic.utf8.count))
            buffer.writeString(entry.key.topic)
            buffer.writeMultipleIntegers(entry.key.queueID, entry.start, entry.end)
        }
        let sum = buffer.withUnsafeReadableBytes(BodyChecksum.crc32)
        buffer.writeInteger(sum)
        return Array(buffer.readableBytesView)
    }

    /// The queues that end earlier than they did, with the ends that they had; those of deleted topics do not count.
    func lacking(in queues: QueueTable, _ deleted: DeletedTopics, logStart: Int64) -> [Entry] {
        lacking(deleted, logStart: logStart) { queues.queue($0)?.maximumOffset ?? 0 }
    }

    /// The same for queues that end where `end` says.
    func lacking(_ deleted: DeletedTopics, logStart: Int64, _ end: (QueueKey) -> Int64) -> [Entry] {
        // Deletions are forgotten with the last segment that they concern: nobody knows which of these are gone.
        guard logEnd >= logStart else { return [] }
        return entries.filter { entry in
            end(entry.key) < entry.end
                && !deleted.isDeleted(entry.key.topic, since: logEndBefore)
        }
    }

    /// The queues that begin later than they did, although the log does not.
    func beheaded(in queues: QueueTable, _ deleted: DeletedTopics, logStart: Int64) -> [Entry] {
        guard logStart == self.logStart else { return [] }
        return entries.filter { entry in
            entry.start < entry.end && (queues.queue(entry.key)?.minimumOffset ?? 0) > entry.start
                && !deleted.isDeleted(entry.key.topic, since: logEndBefore)
        }
    }
}

/// Decides when the queues' ends are looked at and when they are written down. Pure.
///
/// 1. They are looked at before the queues are synced, so that what is written is on the disk.
/// 2. They are written once the log is synced as far as it went when they were looked at: a power cut must not leave a log
///    that is shorter than what its queues are said to hold.
/// 3. Not again while nothing changed, and not after each checkpoint where there are many: one for each
///    ``bytesPerCheckpoint`` of them is left out.
/// 4. A checkpoint vouches for no entry that they do not know of: a queue whose files are lost would go unnoticed. Only
///    where they are many it does, or each start after a crash would walk for half a minute's messages.
struct QueueEndsSchedule: Sendable {
    private var pending: QueueEnds?
    private var saved: QueueEnds?
    private var pause = 0
    private var known: Int64

    /// The bytes written after each checkpoint on average: 50,000 queues take 2 MB, once in half a minute.
    static let bytesPerCheckpoint = 1 << 16

    /// - Parameter known: up to where in the log the process before knew the queues.
    init(known: Int64) { self.known = known }

    /// Up to where in the log a checkpoint may vouch for the queues.
    var vouchedTo: Int64 { pause > 0 ? .max : known }

    /// Whether what is written knows the queues up to here.
    func knows(_ logOffset: Int64) -> Bool { saved != nil && known >= logOffset }

    /// Whether the ends are to be looked at now; asked once for each checkpoint.
    mutating func isDue(isLast: Bool) -> Bool {
        if isLast { return true }
        if pause > 0 { pause -= 1 }
        return pause == 0 && pending == nil
    }

    /// Takes what was seen.
    mutating func saw(_ ends: QueueEnds) {
        if let saved, saved.entries == ends.entries, saved.logStart == ends.logStart {
            pending = nil
            known = max(known, ends.logEndBefore)
        } else {
            pending = ends
        }
    }

    /// What is to be written, when the log is synced up to here.
    func next(flushedTo: Int64) -> QueueEnds? { pending.flatMap { $0.logEnd <= flushedTo ? $0 : nil } }

    /// Notes that it was written, in so many bytes.
    mutating func wrote(_ ends: QueueEnds, bytes: Int) {
        saved = ends
        pending = nil
        known = max(known, ends.logEndBefore)
        pause = bytes / Self.bytesPerCheckpoint
    }
}
