import MQWire
import NIOCore

/// One index file, held against the log from its first entry to its last.
struct IndexFileScrub {
    private let name: String
    private let file: any StorageFile
    private let layout: IndexLayout
    private let lost: [Range<Int64>]
    private var cursor: LogCursor
    private var header = IndexHeader()
    /// The newest entry of each slot, as it follows from the entries.
    private var newest: SlotTable
    private var isReadable = true
    private var headerReasons: [String] = []
    private var badEntries = RangeSet<Int64>()
    private var badSlots = RangeSet<Int64>()
    /// Where damaged entries say that their record is.
    private var firstOffsets: [Int64: Int64] = [:]
    /// The entries that are what their records say.
    private(set) var sound = 0

    /// The entries, and the slots, that are read at once.
    private static let windowEntries = 16_384

    init(
        name: String, file: any StorageFile, layout: IndexLayout, log: LogFiles, lost: [Range<Int64>]
    ) throws(StoreError) {
        self.name = name
        self.file = file
        self.layout = layout
        self.lost = lost
        cursor = LogCursor(log.source)
        newest = SlotTable(count: layout.slotCount)
        guard let header = IndexHeader(try file.bytes(at: 0, count: IndexLayout.headerBytes)) else {
            giveUp("it is cut short")
            return
        }
        self.header = header
        if header.nextEntry > UInt32(layout.entryCount) {
            giveUp("\(header.nextEntry) entries in a file for \(layout.entryCount)")
        }
        if header.usedSlots < 0 || header.usedSlots > layout.slotCount {
            headerReasons.append("\(header.usedSlots) slots in use of \(layout.slotCount)")
        }
    }

    private mutating func giveUp(_ reason: String) {
        isReadable = false
        headerReasons.append(reason)
    }

    /// Reads what the header says there is.
    mutating func readEntries() throws(StoreError) {
        var number: UInt32 = 1
        while isReadable, number < header.nextEntry {
            let count = min(Self.windowEntries, Int(header.nextEntry - number))
            var bytes = try file.bytes(at: layout.position(ofEntry: number), count: count * IndexLayout.entryBytes)
            guard bytes.readableBytes >= IndexLayout.entryBytes else { return giveUp("it is cut short") }
            while let entry = IndexEntry(from: &bytes) {
                try take(entry, number)
                number += 1
            }
        }
    }

    private mutating func take(_ entry: IndexEntry, _ number: UInt32) throws(StoreError) {
        let isFirst = number == 1
        let isLast = number == header.nextEntry - 1
        if isFirst, entry.logOffset != header.beginOffset {
            headerReasons.append("it begins at \(header.beginOffset), and its first entry at \(entry.logOffset)")
        }
        if isLast, entry.logOffset != header.endOffset {
            headerReasons.append("it ends at \(header.endOffset), and its last entry at \(entry.logOffset)")
        }
        let record = try record(of: entry)
        var hash = entry.hash
        var isSound = hash >= 0
        switch record {
        case .unknown: break
        case .none: isSound = false
        case .found(let message):
            let time = message.storeTimestamp
            if isFirst, time != header.beginTimestamp {
                headerReasons.append("it begins at time \(header.beginTimestamp), and its first message at \(time)")
            }
            if isLast, time != header.endTimestamp {
                headerReasons.append("it ends at time \(header.endTimestamp), and its last message at \(time)")
            }
            isSound = isSound && entry.seconds == IndexEntry.seconds(from: header.beginTimestamp, to: time)
            if !message.hashes.contains(hash) {
                isSound = false
                // The slot that it belongs into, so that those behind it are not blamed.
                hash = message.hashes.first { newest[layout.slot(of: $0)] == entry.older } ?? hash
            }
        }
        if hash >= 0 {
            let slot = layout.slot(of: hash)
            if newest[slot] != entry.older { isSound = false }
            newest[slot] = number
        }
        if isSound { sound += 1 } else { note(entry, number) }
    }

    private mutating func note(_ entry: IndexEntry, _ number: UInt32) {
        let place = Int64(number)
        if !badEntries.contains(place - 1) { firstOffsets[place] = entry.logOffset }
        badEntries.insert(contentsOf: place..<place + 1)
    }

    private enum Message {
        /// The record has these keys.
        case found(IndexedMessage)
        /// No record with a key stands there.
        case none
        /// It is too old, or damaged.
        case unknown
    }

    private mutating func record(of entry: IndexEntry) throws(StoreError) -> Message {
        if entry.logOffset < 0 { return .none }
        if entry.logOffset < cursor.beginning { return .unknown }
        switch try cursor.record(at: entry.logOffset) {
        case .record(let record): return IndexedMessage(record).map { .found($0) } ?? .none
        case .damaged: return .unknown
        case .nextSegment, .unwritten, .torn:
            return lost.contains { $0.contains(entry.logOffset) } ? .unknown : .none
        }
    }

    /// Holds the slots against the entries.
    mutating func readSlots() throws(StoreError) {
        var slot = 0
        while isReadable, slot < layout.slotCount {
            let count = min(Self.windowEntries, layout.slotCount - slot)
            var bytes = try file.bytes(at: IndexLayout.slotsPosition + Int64(slot * 4), count: count * 4)
            guard bytes.readableBytes >= 4 else { return giveUp("it is cut short") }
            while let value = bytes.readInteger(as: UInt32.self) {
                if value != newest[slot] { badSlots.insert(contentsOf: Int64(slot)..<Int64(slot) + 1) }
                slot += 1
            }
        }
    }

    /// What was found, in no more pieces than so many of a kind.
    func findings(atMost limit: Int) -> [StoreScrubber.Finding] {
        func pieces(_ set: RangeSet<Int64>) -> [Range<Int64>] {
            let ranges = Array(set.ranges)
            guard ranges.count > limit, let last = ranges.last else { return ranges }
            return ranges.prefix(limit - 1) + [ranges[limit - 1].lowerBound..<last.upperBound]
        }
        return headerReasons.map { .damagedIndexHeader(file: name, reason: $0) }
            + pieces(badEntries).map {
                .damagedIndexEntries(file: name, entries: $0, logOffset: firstOffsets[$0.lowerBound] ?? -1)
            }
            + pieces(badSlots).map { .damagedIndexSlots(file: name, slots: $0) }
    }
}

/// Reads single records of a log, mostly one behind another.
struct LogCursor {
    /// The offset of the first byte there is.
    let beginning: Int64
    private var reader: LogReader
    private var last: (offset: Int64, step: LogWalk.Step)?

    /// What is less far away is walked to, in bytes: reading anew costs as much.
    private static let nearBytes: Int64 = 256 << 10

    init(_ source: LogReader.Source) {
        beginning = source.beginning
        reader = LogReader(source, position: source.beginning, verifiesChecksums: false)
    }

    /// What stands at the offset.
    mutating func record(at offset: Int64) throws(StoreError) -> LogWalk.Step {
        if let last, last.offset == offset { return last.step }
        walking: while reader.position < offset, offset - reader.position <= Self.nearBytes {
            switch try reader.next() {
            case .record, .damaged, .nextSegment: continue
            case .unwritten, .torn: break walking
            }
        }
        if reader.position != offset { reader.resume(at: offset) }
        let step = try reader.next()
        last = (offset, step)
        return step
    }
}
