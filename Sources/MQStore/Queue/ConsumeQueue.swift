import NIOCore
import Synchronization
import SystemPackage

/// The order of one queue's messages: entry `n` says where message `n` lies in the commit log.
///
/// The log's writer appends and then publishes; readers see entries below ``maximumOffset`` only, so that they never
/// meet one whose record is not there.
final class ConsumeQueue: Sendable {
    let key: QueueKey
    let chain: SegmentChain
    let derivation: EntryDerivation
    /// The place behind a file between others that was found too short; `nil` when none was.
    let shortMiddleEnd: Int64?
    private let maximum: Atomic<Int64>
    private let minimum: Atomic<Int64>
    /// The bytes of the queue's files that changed since the last sync.
    private let dirty = Mutex<Range<Int64>?>(nil)
    /// Whether the files cannot be believed any more, or not be read.
    private let lost = Atomic<Bool>(false)
    /// Why the last sync failed, until what it covered is written over.
    private let failedSync = Mutex<StoreError?>(nil)
    private let givenUp = Atomic<Bool>(false)
    /// Entries that the disk cannot read, as the log tells them.
    private let derivedEntries = Mutex<[Int64: QueueEntry]>([:])
    /// Held by whoever takes entries away, the writer at the end and the housekeeper at the beginning; whether the queue
    /// is gone with its topic. Then its files may be another one's, which has the same names.
    private let isGone = DiskMutex(false)

    /// How many entries are read at once while looking for the first one.
    private static let scanEntries: Int64 = 4096
    /// How many are looked at first where the last one is mostly sound.
    private static let fewEntries: Int64 = 32

    /// Opens the queue's files and finds its first and last entry.
    init(
        key: QueueKey, directory: FilePath, entriesPerFile: Int64, io: any StorageIO, names: NameJournal,
        derivation: EntryDerivation = EntryDerivation()
    ) throws(StoreError) {
        self.key = key
        self.derivation = derivation
        chain = try SegmentChain(
            directory: directory, segmentBytes: entriesPerFile * QueueEntry.encodedSize, io: io, names: names,
            gaps: .passOver,
            advice:
                "set mappedFileSizeConsumeQueue to the size these were written with, or move the queue's folder away, and "
                + "it is made anew from the log")
        shortMiddleEnd = chain.shortMiddleEnd.map { $0 / QueueEntry.encodedSize }
        maximum = Atomic(0)
        minimum = Atomic(0)
        do throws(StoreError) { try findEnds(entriesPerFile: entriesPerFile) } catch {
            guard error.code == .unreadable else { throw error }
            lose()
        }
    }

    /// Whether the queue has to be made anew: a file between others is gone, or one cannot be read. What there is of it is
    /// not looked at.
    var isLost: Bool { lost.load(ordering: .relaxed) || chain.hasStrays }

    /// Whether a file is the queue's.
    func owns(_ path: FilePath) -> Bool { path.starts(with: chain.directory) }

    /// Has the queue made anew, as it cannot be read; for recovery only.
    func lose() {
        lost.store(true, ordering: .relaxed)
        publish(0, beginningAt: 0)
    }

    /// Brings files that were found too short to their size.
    func extend() throws(StoreError) { try chain.extend() }

    /// One past the last published entry, counted in messages.
    var maximumOffset: Int64 { maximum.load(ordering: .acquiring) }
    /// The first entry there is, counted in messages.
    var minimumOffset: Int64 { minimum.load(ordering: .acquiring) }

    /// Finds the first and last entry.
    ///
    /// Written entries follow each other without a hole, so the end is found by halving the last file in use. After a
    /// power loss there may be holes; recovery then cuts away everything that was not synced, whatever end was found.
    private func findEnds(entriesPerFile: Int64) throws(StoreError) {
        guard chain.endOffset > 0 else { return }
        let first = chain.firstOffset / QueueEntry.encodedSize
        let end = chain.endOffset / QueueEntry.encodedSize
        let start = try firstWritten(in: first..<min(end, first + entriesPerFile))
        var low = start ?? first
        var high = start == nil ? first : end
        while high - low > entriesPerFile {
            // A file that holds nothing at its beginning is a prepared one.
            if try rawEntry(at: (high - 1) / entriesPerFile * entriesPerFile) != nil {
                low = max(low, (high - 1) / entriesPerFile * entriesPerFile)
                break
            }
            high = (high - 1) / entriesPerFile * entriesPerFile
        }
        while low < high {
            let middle = low + (high - low) / 2
            if try rawEntry(at: middle) != nil { low = middle + 1 } else { high = middle }
        }
        minimum.store(start ?? first, ordering: .releasing)
        maximum.store(low, ordering: .releasing)
    }

    /// The first entry of the first file; a queue that began in the middle of it has zeros before.
    private func firstWritten(in range: Range<Int64>) throws(StoreError) -> Int64? {
        if try rawEntry(at: range.lowerBound) != nil { return range.lowerBound }
        var position = range.lowerBound
        while position < range.upperBound {
            let window = try rawWindow(at: position, count: min(Self.scanEntries, range.upperBound - position))
            if let index = window.firstIndex(where: { $0 != nil }) { return position + Int64(index) }
            if window.isEmpty { return nil }
            position += Int64(window.count)
        }
        return nil
    }

    private func rawWindow(at offset: Int64, count: Int64) throws(StoreError) -> [QueueEntry?] {
        while true {
            var buffer = ByteBuffer()
            let isWhole = try chain.read(
                at: offset * QueueEntry.encodedSize, count: Int(count * QueueEntry.encodedSize), into: &buffer)
            let width = Int(QueueEntry.encodedSize)
            let window = (0..<(buffer.readableBytes / width)).map { _ in QueueEntry(from: &buffer) }
            if isWhole, !isGivenUp { return window }
            if let completed = try completed(window, at: offset) { return completed }
        }
    }

    /// What is remembered of places that cannot be read; `nil` unless it is all.
    func derivedEntries(_ places: Range<Int64>) -> [QueueEntry]? {
        derivedEntries.withLock { known in
            let entries = places.compactMap { known[$0] }
            return entries.count == places.count ? entries : nil
        }
    }

    /// Remembers entries that cannot be read.
    func remember(_ entries: [QueueEntry], at offset: Int64) {
        derivedEntries.withLock { known in
            for (index, entry) in entries.enumerated() { known[offset + Int64(index)] = entry }
        }
    }

    private func rawEntry(at offset: Int64) throws(StoreError) -> QueueEntry? {
        try rawWindow(at: offset, count: 1).first ?? nil
    }

    /// Up to `count` published entries from the offset on.
    func entries(from offset: Int64, count: Int) throws(StoreError) -> [QueueEntry] {
        let available = min(Int64(count), maximumOffset - offset)
        guard offset >= minimumOffset, available > 0 else { return [] }
        return try rawWindow(at: offset, count: available).prefix { $0 != nil }.compactMap { $0 }
    }

    /// Whether a place is published and holds no entry, which is looked at after ``entries(from:count:)`` found none: where
    /// the queue was cut meanwhile there is no such place any more.
    func isHole(at offset: Int64) -> Bool { offset >= minimumOffset && offset < maximumOffset }

    /// The queue is gone with its topic: it takes away no more.
    func retire() { isGone.withLock { $0 = true } }

    /// Writes entries that belong at the offset; readers do not see them before ``publish(_:)``.
    func write(_ entries: ByteBuffer, at offset: Int64) throws(StoreError) {
        var rest = entries
        var position = offset * QueueEntry.encodedSize
        markDirty(position..<(position + Int64(rest.readableBytes)))
        while rest.readableBytes > 0 {
            let room = Int(chain.segmentBytes - position % chain.segmentBytes)
            guard let piece = rest.readSlice(length: min(room, rest.readableBytes)) else { break }
            try chain.write(piece, at: position)
            position += Int64(piece.readableBytes)
        }
        // Once more: a sync that came in between took the mark, and may not have seen the bytes.
        markDirty(offset * QueueEntry.encodedSize..<position)
    }

    /// Makes entries that were written and never published zero again.
    func erase(from offset: Int64, count: Int) throws(StoreError) {
        var position = offset * QueueEntry.encodedSize
        let end = position + Int64(count) * QueueEntry.encodedSize
        markDirty(position..<max(end, position + 1))
        while position < end, let segment = chain.segment(at: position) {
            try segment.zero(position..<min(end, segment.endOffset))
            position = segment.endOffset
        }
    }

    private func markDirty(_ range: Range<Int64>) {
        dirty.withLock { dirty in
            guard let known = dirty else {
                dirty = range
                return
            }
            dirty = min(known.lowerBound, range.lowerBound)..<max(known.upperBound, range.upperBound)
        }
    }

    /// Lets readers see the entries below the offset.
    func publish(_ end: Int64, beginningAt start: Int64? = nil) {
        if let start { minimum.store(start, ordering: .releasing) }
        maximum.store(end, ordering: .releasing)
    }

    /// The first entry for which `isBehind` holds, else the end; for a condition that, once true, stays true.
    ///
    /// Entries point forwards only, so the place is found by halving. An entry that is missing counts as behind.
    func firstOffset(
        where isBehind: (_ entry: QueueEntry, _ offset: Int64) throws(StoreError) -> Bool
    ) throws(StoreError) -> Int64 {
        var low = minimumOffset
        var high = maximumOffset
        while low < high {
            let middle = low + (high - low) / 2
            let entry = try rawEntry(at: middle)
            let isHigh: Bool
            if let entry { isHigh = try isBehind(entry, middle) } else { isHigh = true }
            if isHigh { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// Forgets all entries whose record does not end at `logOffset` or before; for recovery only.
    func cut(atLogOffset logOffset: Int64) throws(StoreError) {
        try cut { entry, _ throws(StoreError) in entry.end > logOffset }
    }

    /// Forgets all that was said of records at `logOffset` or behind, lost places among it: their records come anew. For
    /// recovery only.
    func forget(fromLogOffset logOffset: Int64) throws(StoreError) {
        try cut { entry, _ throws(StoreError) in entry.logOffset >= logOffset || entry.end > logOffset }
    }

    /// Forgets the entries of records that do not end at `logOffset` or before, when some may be half written.
    ///
    /// Looked for from the end, one by one: a half-written entry may point anywhere and mislead a search by halves.
    /// Entries before `logOffset` that lead to no sound record are kept when they stand in order: the record may be what
    /// is damaged. One that is not right after all is replaced when recovery meets its record. For recovery only.
    func cutTail(
        atLogOffset logOffset: Int64, isSound: (_ entry: QueueEntry, _ offset: Int64) throws(StoreError) -> Bool
    ) throws(StoreError) {
        var low = minimumOffset
        var previousEnd: Int64 = 0
        var end = maximumOffset
        var count = Self.fewEntries
        searching: while end > minimumOffset {
            let from = max(minimumOffset, end - count)
            count = Self.scanEntries
            let window = try rawWindow(at: from, count: end - from)
            for index in window.indices.reversed() {
                guard let entry = window[index], entry.end <= logOffset else { continue }
                if !entry.isBlank, !(try isSound(entry, from + Int64(index))) { continue }
                low = from + Int64(index) + 1
                previousEnd = entry.end
                break searching
            }
            end = from
        }
        while low < maximumOffset, let entry = try rawEntry(at: low), entry.logOffset >= previousEnd,
            entry.end <= logOffset
        {
            previousEnd = entry.end
            low += 1
        }
        try cut(atQueueOffset: low)
    }

    /// Forgets the first entry for which `isBehind` holds and all behind it; for recovery only.
    private func cut(
        where isBehind: (_ entry: QueueEntry, _ offset: Int64) throws(StoreError) -> Bool
    ) throws(StoreError) {
        let low = try firstOffset(where: isBehind)
        // Also when no entry is known to be there: behind a hole of a power cut some may be.
        try cut(atQueueOffset: max(low, minimumOffset))
    }

    /// Forgets all entries; the next one has this offset. For recovery and the writer.
    func beginAnew(at offset: Int64) throws(StoreError) {
        try isGone.withLock { isGone throws(StoreError) in
            if isGone { return }
            try chain.removeStrays()
            // Readers first: what they are let see is there.
            if offset > maximumOffset { minimum.store(offset, ordering: .releasing) }
            maximum.store(offset, ordering: .releasing)
            minimum.store(offset, ordering: .releasing)
            markDirty(0..<1)
            if chain.endOffset > 0 { try chain.cut(at: chain.firstOffset, durably: false) }
            lost.store(false, ordering: .relaxed)
            derivedEntries.withLock { $0 = [:] }
        }
    }

    /// Forgets the entries from the offset on, which may lie before the first one; for recovery and the writer.
    ///
    /// Not durable at once: after another crash the same recovery does the same again. It must be durable before the
    /// checkpoint moves on, or entries that were cut would come back behind a walk that begins later. That goes for what an
    /// earlier process cut, too: the queue counts as changed where nothing is there to be cut.
    func cut(atQueueOffset offset: Int64) throws(StoreError) {
        try isGone.withLock { isGone throws(StoreError) in
            if isGone { return }
            // Readers first: what they are let see is there.
            maximum.store(offset, ordering: .releasing)
            minimum.store(min(minimumOffset, offset), ordering: .releasing)
            guard chain.endOffset > 0 else { return }
            let position = max(chain.firstOffset, offset * QueueEntry.encodedSize)
            markDirty(position..<max(position + 1, chain.endOffset))
            // Before the first file none may stay, not even an empty one: the next is made where the queue begins then.
            let isBeforeAll = offset * QueueEntry.encodedSize < chain.firstOffset
            let isChanged = try isBeforeAll ? true : holdsAnything(from: position)
            if isChanged {
                // The file is emptied and stays, so that what comes anew finds the blocks that it gives back.
                try chain.cut(at: position, durably: false, keepsFile: !isBeforeAll)
            }
            derivedEntries.withLock { known in known = known.filter { $0.key < offset } }
        }
    }

    /// Whether anything but zeros stands in the files from the position on. A hole ends with a page, which is read.
    private func holdsAnything(from position: Int64) throws(StoreError) -> Bool {
        let page: Int64 = 4096
        let inFile = position % chain.segmentBytes
        let rest = min(page - inFile % page, chain.segmentBytes - inFile)
        var bytes = ByteBuffer()
        let isWhole = try chain.read(at: position, count: Int(rest), into: &bytes)
        if !isWhole || bytes.readableBytesView.contains(where: { $0 != 0 }) { return true }
        return try chain.nextData(from: position + rest) != nil
    }

    /// Makes the queue end at `offset` at least, where it is known to have ended: the places in between are lost. For
    /// recovery only.
    ///
    /// - Parameter logOffset: the log's end; what is behind it may stand in the queue behind these places.
    func raise(to offset: Int64, logOffset: Int64) throws(StoreError) {
        var position = maximumOffset
        if position == minimumOffset {
            // Nothing to keep in order with: the last place alone says where the queue goes on.
            try beginAnew(at: offset - 1)
            position = offset - 1
        }
        while position < offset {
            let count = min(Self.scanEntries, offset - position)
            var places = ByteBuffer()
            for _ in 0..<count { QueueEntry.blank(before: logOffset).write(to: &places) }
            try write(places, at: position)
            position += count
        }
        publish(offset)
    }

    /// Makes the files of a queue without messages say where it goes on; for recovery only.
    ///
    /// What says so already is not taken away first: a crash in between would have the queue count from 0.
    func keepEnd(logOffset: Int64) throws(StoreError) {
        let end = maximumOffset
        guard end > 0 else { return try beginAnew(at: 0) }
        if try rawEntry(at: end - 1) == nil {
            try raise(to: end, logOffset: logOffset)
        } else {
            try chain.removeStrays()
            try cut(atQueueOffset: end)
        }
    }

    /// Removes files whose entries all point before `logOffset`, and lets no reader see such an entry; for recovery only.
    func removeBeginning(beforeLogOffset logOffset: Int64) throws(StoreError) {
        try hideBeginning(beforeLogOffset: logOffset)
        try removeHidden()
    }

    /// Removes the files that hold only what is before the first entry.
    func removeHidden() throws(StoreError) {
        try isGone.withLock { isGone throws(StoreError) in
            if !isGone { _ = try chain.removeBeginning(before: minimumOffset * QueueEntry.encodedSize) }
        }
    }

    /// Lets no reader see an entry that points before `logOffset`; the files stay until ``removeHidden()``.
    ///
    /// What is found by halves is confirmed first: one rotten entry that points to the log's beginning would hide all
    /// before it, which may be in the log.
    ///
    /// - Parameter isSound: whether the record that an entry leads to is the entry's own; where those records are gone
    ///   nobody can say.
    func hideBeginning(
        beforeLogOffset logOffset: Int64,
        isSound: (_ entry: QueueEntry, _ offset: Int64) throws(StoreError) -> Bool = { _, _ throws(StoreError) in false
        }
    ) throws(StoreError) {
        guard logOffset > 0 else { return }
        try isGone.withLock { isGone throws(StoreError) in
            if isGone { return }
            var first = try firstOffset { entry, _ throws(StoreError) in entry.logOffset >= logOffset }
            guard first > minimumOffset else { return }
            var isConfirmed = false
            if let last = try rawEntry(at: first - 1) { isConfirmed = try isSound(last, first - 1) }
            if !isConfirmed { first = try firstOffsetOneByOne(atLogOffset: logOffset) }
            if first > minimumOffset { minimum.store(first, ordering: .releasing) }
        }
    }

    /// The first entry that points to `logOffset` or behind, else the end, looked for from the beginning.
    private func firstOffsetOneByOne(atLogOffset logOffset: Int64) throws(StoreError) -> Int64 {
        var position = minimumOffset
        while position < maximumOffset {
            let window = try rawWindow(at: position, count: min(Self.scanEntries, maximumOffset - position))
            if window.isEmpty { return position }
            for entry in window {
                guard let entry, entry.logOffset < logOffset else { return position }
                position += 1
            }
        }
        return position
    }

    /// Syncs what changed since the last call; one that is given up is not looked at.
    ///
    /// After an error nobody knows what the disk holds, and a later success proves nothing: each call fails until what
    /// changed was written over.
    func sync() throws(StoreError) {
        if isGivenUp { return }
        if let error = failedSync.withLock({ $0 }) { throw error }
        let range = dirty.withLock { dirty in
            defer { dirty = nil }
            return dirty
        }
        guard let range else { return }
        do throws(StoreError) {
            try chain.syncFiles(range)
        } catch {
            failedSync.withLock { $0 = error }
            markDirty(range)
            throw error
        }
        do throws(StoreError) { try chain.syncNames() } catch {
            markDirty(range)
            throw error
        }
    }

    /// Writes what a failed sync covered over with itself, so that another one brings it to the disk.
    ///
    /// On the writer's thread, whose entries it would otherwise take back.
    func writeOver() throws(StoreError) {
        guard hasFailedSync else { return }
        if let range = dirty.withLock({ $0 }) { try chain.rewrite(range) }
        failedSync.withLock { $0 = nil }
    }

    /// Whether a sync failed, and what it covered was not written over since.
    var hasFailedSync: Bool { failedSync.withLock { $0 != nil } }

    /// Whether the disk may lack entries, for good: the next start makes the queue anew.
    var isGivenUp: Bool { givenUp.load(ordering: .relaxed) }

    /// From now on entries that are not there count as unreadable, and nobody waits for their sync.
    func giveUp() { givenUp.store(true, ordering: .relaxed) }
}
