import NIOCore
import Synchronization
import SystemPackage

/// The order of one queue's messages: entry `n` says where message `n` lies in the commit log.
///
/// The log's writer appends and then publishes; readers see entries below ``maximumOffset`` only, so that they never
/// meet one whose record is not there.
final class ConsumeQueue: Sendable {
    let key: QueueKey
    private let chain: SegmentChain
    private let maximum: Atomic<Int64>
    private let minimum: Atomic<Int64>
    private let isDirty = Atomic<Bool>(false)

    /// How many entries are read at once while looking for the first one.
    private static let scanEntries: Int64 = 4096

    /// Opens the queue's files and finds its first and last entry.
    init(key: QueueKey, directory: FilePath, entriesPerFile: Int64) throws(StoreError) {
        self.key = key
        chain = try SegmentChain(directory: directory, segmentBytes: entriesPerFile * QueueEntry.encodedSize)
        maximum = Atomic(0)
        minimum = Atomic(0)
        try findEnds(entriesPerFile: entriesPerFile)
    }

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
        var buffer = ByteBuffer()
        try chain.read(
            at: offset * QueueEntry.encodedSize, count: Int(count * QueueEntry.encodedSize), into: &buffer)
        return (0..<(buffer.readableBytes / Int(QueueEntry.encodedSize))).map { _ in QueueEntry(from: &buffer) }
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

    /// Writes entries that belong at the offset; readers do not see them before ``publish(_:)``.
    func write(_ entries: ByteBuffer, at offset: Int64) throws(StoreError) {
        var rest = entries
        var position = offset * QueueEntry.encodedSize
        while rest.readableBytes > 0 {
            let room = Int(chain.segmentBytes - position % chain.segmentBytes)
            guard let piece = rest.readSlice(length: min(room, rest.readableBytes)) else { break }
            try chain.write(piece, at: position)
            position += Int64(piece.readableBytes)
        }
        isDirty.store(true, ordering: .relaxed)
    }

    /// Lets readers see the entries below the offset.
    func publish(_ end: Int64, beginningAt start: Int64? = nil) {
        if let start { minimum.store(start, ordering: .releasing) }
        maximum.store(end, ordering: .releasing)
    }

    /// The first entry for which `isBehind` holds, else the end; for a condition that, once true, stays true.
    ///
    /// Entries point forwards only, so the place is found by halving. An entry that is missing counts as behind.
    func firstOffset(where isBehind: (QueueEntry) throws(StoreError) -> Bool) throws(StoreError) -> Int64 {
        var low = minimumOffset
        var high = maximumOffset
        while low < high {
            let middle = low + (high - low) / 2
            let entry = try rawEntry(at: middle)
            let isHigh: Bool
            if let entry { isHigh = try isBehind(entry) } else { isHigh = true }
            if isHigh { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// Forgets all entries whose record does not end at `logOffset` or before; for recovery only.
    func cut(atLogOffset logOffset: Int64) throws(StoreError) {
        let low = try firstOffset { $0.logOffset + Int64($0.size) > logOffset }
        // Not durable: after another crash the same recovery does the same again.
        if chain.endOffset > 0 {
            try chain.cut(at: max(chain.firstOffset, low * QueueEntry.encodedSize), durably: false)
        }
        maximum.store(low, ordering: .releasing)
    }

    /// Forgets the entries from the offset on, which may lie before the first one; for recovery only.
    func cut(atQueueOffset offset: Int64) throws(StoreError) {
        if chain.endOffset > 0 {
            try chain.cut(at: max(chain.firstOffset, offset * QueueEntry.encodedSize), durably: false)
        }
        minimum.store(min(minimumOffset, offset), ordering: .releasing)
        maximum.store(offset, ordering: .releasing)
    }

    /// Syncs what was written since the last call.
    func sync() throws(StoreError) {
        guard isDirty.exchange(false, ordering: .relaxed) else { return }
        let end = maximumOffset * QueueEntry.encodedSize
        do {
            try chain.sync(max(0, end - chain.segmentBytes)..<(end + 1))
        } catch {
            isDirty.store(true, ordering: .relaxed)
            throw error
        }
    }
}
