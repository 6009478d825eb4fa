import Glibc
import MQWire
import NIOCore

/// Walks a log from a position, reading it in windows.
struct LogReader {
    /// The bytes that are walked; what it gives may change between two calls only by growing.
    struct Source {
        /// The size of a segment in bytes.
        var segmentBytes: Int64
        /// The offset of the first byte there is.
        var beginning: Int64
        /// Up to `count` bytes of one segment, fewer only where it ends.
        var fetch: (_ offset: Int64, _ count: Int) throws(StoreError) -> ByteBuffer
        /// The next offset, from this one on, that may hold anything but zeros; `nil` when none does.
        var nextData: (_ offset: Int64) throws(StoreError) -> Int64?
        /// Where what was fetched holds zeros for what cannot be read; `nil` where that fails.
        var places: UnreadablePlaces?

        /// Whether any of a range that was fetched could not be read.
        func isUnreadable(_ range: Range<Int64>) -> Bool { places?.touches(range) ?? false }
    }

    /// Where the next step looks.
    private(set) var position: Int64
    private let source: Source
    private let verifiesChecksums: Bool
    private var window = ByteBuffer()
    /// Whether the window was read for an earlier step.
    private var isStale = false

    /// The bytes read at once; a longer record is read in one piece of its own.
    static let windowBytes = 1 << 20

    /// Begins at `position`.
    ///
    /// - Parameter verifiesChecksums: whether bodies are summed, so that damage in them is found.
    init(_ source: Source, position: Int64, verifiesChecksums: Bool = true) {
        self.verifiesChecksums = verifiesChecksums
        self.source = source
        self.position = position
    }

    /// What stands at the position; moves behind a record, sound or damaged, and to the next segment after filler.
    mutating func next() throws(StoreError) -> LogWalk.Step {
        let segmentEnd = segmentEnd(of: position)
        var reading = StoredRecord.read(from: &window, verifyingChecksum: verifiesChecksums)
        if case .truncated = reading {
            window = try source.fetch(position, Int(min(Int64(Self.windowBytes), segmentEnd - position)))
            isStale = false
            if window.readableBytes == 0 { return .unwritten }
            reading = StoredRecord.read(from: &window, verifyingChecksum: verifiesChecksums)
            if case .truncated(let needed) = reading, isWorthReading(needed, segmentEnd) {
                window = try source.fetch(position, needed)
                reading = StoredRecord.read(from: &window, verifyingChecksum: verifiesChecksums)
            }
        }
        var step = LogWalk.judge(reading, position: position, segmentEnd: segmentEnd)
        if case .record(let record) = step, source.isUnreadable(position..<position + Int64(record.totalSize)) {
            // No sum covers its header and its properties.
            step = .damaged(record)
        }
        if isStale {
            switch step {
            case .unwritten, .torn:
                // The window may be from before it was written: a log that grows is looked at again.
                window = try source.fetch(position, Int(min(Int64(Self.windowBytes), segmentEnd - position)))
                isStale = false
                return try next()
            case .record, .damaged, .nextSegment: break
            }
        }
        isStale = true
        switch step {
        case .record(let record), .damaged(let record):
            position += Int64(record.totalSize)
            if case .record = reading {} else { window.moveReaderIndex(forwardBy: Int(record.totalSize)) }
        case .nextSegment(let start):
            position = start
            window.clear()
        case .unwritten, .torn: break
        }
        return step
    }

    /// Whether a record of so many bytes, longer than the window that begins with it, may stand at the position.
    private func isWorthReading(_ needed: Int, _ segmentEnd: Int64) -> Bool {
        needed > window.readableBytes && Int64(needed) <= segmentEnd - position && RecordLayout.isPossibleHead(window)
    }

    /// Hands what is left of the window to `body`, which says how many bytes of whole and sound records it took.
    ///
    /// For whoever needs little of each record; where it takes nothing, ``next()`` goes on.
    mutating func skim(_ body: (UnsafeRawBufferPointer) -> Int) {
        let taken = window.withUnsafeReadableBytes(body)
        guard taken > 0 else { return }
        window.moveReaderIndex(forwardBy: taken)
        position += Int64(taken)
        isStale = true
    }

    /// Goes on at this place.
    mutating func resume(at offset: Int64) {
        position = offset
        window.clear()
        isStale = false
    }

    /// The first place behind the position at which a record begins, sound or damaged; `nil` when there is none.
    ///
    /// A record says where it stands, so bytes that merely look like one are not taken for it. Holes are not read.
    func nextBoundary() throws(StoreError) -> Int64? {
        var offset = position + 1
        while let data = try source.nextData(offset) {
            // A record's first bytes are zeros: they may lie in the hole before.
            offset = max(offset, data - Int64(RecordLayout.blankSize))
            let end = segmentEnd(of: offset)
            let window = try source.fetch(offset, Int(min(Int64(Self.windowBytes), end - offset)))
            if window.readableBytes == 0 {
                // A file that lost its end; the next one may be whole.
                offset = end
                continue
            }
            for candidate in Self.magics(in: window) where try isRecord(at: offset + Int64(candidate)) {
                return offset + Int64(candidate)
            }
            let isLastOfSegment = offset + Int64(window.readableBytes) >= end
            // The next window begins where a record may begin whose magic was not whole in this one.
            let step = Int64(window.readableBytes) - (isLastOfSegment ? 0 : Int64(RecordLayout.blankSize) - 1)
            offset += max(1, step)
        }
        return nil
    }

    private func segmentEnd(of offset: Int64) -> Int64 {
        // A rotten offset may lie where no segment can end.
        let (end, overflow) = (offset / source.segmentBytes + 1).multipliedReportingOverflow(by: source.segmentBytes)
        return overflow ? .max : end
    }

    /// Where in the window a record's magic makes one possible: four bytes before it.
    private static func magics(in window: ByteBuffer) -> [Int] {
        window.withUnsafeReadableBytes { bytes in
            var found: [Int] = []
            var index = 4
            let first = CInt(truncatingIfNeeded: RecordLayout.magic >> 24)
            while index + 4 <= bytes.count, let base = bytes.baseAddress,
                let hit = memchr(base + index, first, bytes.count - index - 3)
            {
                index = UnsafeRawPointer(hit) - base
                let value = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt32.self))
                if value == RecordLayout.magic { found.append(index - 4) }
                index += 1
            }
            return found
        }
    }

    private func isRecord(at offset: Int64) throws(StoreError) -> Bool {
        let room = segmentEnd(of: offset) - offset
        guard room >= Int64(RecordLayout.minimumSize) else { return false }
        var bytes = try source.fetch(offset, Int(min(Int64(RecordLayout.headBytes), room)))
        let size = Int64(bytes.getInteger(at: bytes.readerIndex, as: Int32.self) ?? 0)
        let own = bytes.getInteger(at: bytes.readerIndex + RecordLayout.logOffsetOffset, as: Int64.self)
        guard own == offset, size >= Int64(RecordLayout.minimumSize), size <= room,
            size <= Self.windowBytes || RecordLayout.isPossibleHead(bytes)
        else { return false }
        bytes = try source.fetch(offset, Int(size))
        switch StoredRecord.read(from: &bytes) {
        case .record, .checksumMismatch: return true
        case .blank, .unwritten, .truncated, .malformed: return false
        }
    }
}

extension SegmentChain {
    /// This chain as a log to walk.
    var source: LogReader.Source {
        LogReader.Source(
            segmentBytes: segmentBytes, beginning: firstOffset,
            fetch: { [self] offset, count throws(StoreError) in
                var buffer = ByteBuffer()
                try read(at: offset, count: count, into: &buffer)
                return buffer
            }, nextData: { [self] offset throws(StoreError) in try nextData(from: offset) }, places: places)
    }
}
