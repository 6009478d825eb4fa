import NIOCore
import Synchronization
import SystemPackage

/// A directory of segments of one size that together hold one long sequence of bytes.
///
/// One thread appends segments; any thread reads. The list of segments is under a lock, their bytes are not: a reader
/// holds the segment it reads.
final class SegmentChain: Sendable {
    let directory: FilePath
    /// The size of each file in bytes.
    let segmentBytes: Int64
    private let io: any StorageIO
    private let names: NameJournal
    /// What of it cannot be read.
    let places: UnreadablePlaces
    private let segments: Mutex<[Segment]>
    private let gone = Atomic<Int64>(0)
    /// Files before a gap, which are in no chain.
    private let strays: Mutex<[FilePath]>
    /// The bases of files that are missing between others.
    private let missing: Mutex<[Int64]>
    /// The end of the last file between others that was missing, or cut short, at the start; 0 when none was. No power cut
    /// does that to a file with others behind it: its zeros are damage, and no end of anything.
    var lostEnd: Int64 { lostPieces.last?.upperBound ?? 0 }
    /// These files, or what they lacked, in their order.
    let lostPieces: [Range<Int64>]

    /// What to do about a file that is missing between others.
    enum GapPolicy {
        /// Nothing is opened, and the error says what to do.
        case refuse
        /// The chain begins behind the last gap, and the files before it are removed when it is made anew.
        case passOver
        /// Files of zeros take the place of what is missing, once ``SegmentChain/extend()`` says so.
        case fill
    }

    /// The most files that are made in a gap.
    private static let longestGap: Int64 = 64

    /// Opens what is in the directory; refuses files of another size, and gaps as `gaps` says, and changes no file.
    ///
    /// A last file that is too short was being made when the process died; ``extend()`` brings it to its size.
    ///
    /// - Parameter advice: what to do about a file that does not follow the one before; `nil` for a log's.
    init(
        directory: FilePath, segmentBytes: Int64, io: any StorageIO, names: NameJournal, gaps: GapPolicy = .refuse,
        advice given: String? = nil, places: UnreadablePlaces = UnreadablePlaces(now: { 0 })
    ) throws(StoreError) {
        self.places = places
        self.directory = directory
        self.segmentBytes = segmentBytes
        self.io = io
        self.names = names
        names.note(try io.createDirectory(directory))
        var found: [Segment] = []
        var strays: [FilePath] = []
        var missing: [Int64] = []
        func advice() throws(StoreError) -> String {
            if let given { given } else { try Self.advice(directory, io) }
        }
        let bases = try io.names(in: directory).compactMap(Segment.baseOffset(ofName:))
        for base in bases {
            if base % segmentBytes != 0 {
                let advice = try advice()
                throw StoreError(
                    .layout, path: directory.appending(Segment.name(base)),
                    message: "segments of \(segmentBytes) bytes cannot begin at \(base); \(advice)")
            }
            if let end = found.last?.endOffset, end != base {
                if gaps == .passOver {
                    strays += found.map(\.path)
                    found = []
                } else if gaps == .fill, (base - end) / segmentBytes <= Self.longestGap {
                    missing += Array(stride(from: end, to: base, by: Int(segmentBytes)))
                } else {
                    let advice = try advice()
                    throw StoreError(
                        .layout, path: directory.appending(Segment.name(end)),
                        message:
                            "this file is missing, with segments of \(segmentBytes) bytes, before that of \(base): "
                            + "put it back, or \(advice)")
                }
            }
            do throws(StoreError) {
                found.append(
                    try Segment(directory: directory, baseOffset: base, size: segmentBytes, io: io, places: places))
            } catch {
                guard error.code == .layout else { throw error }
                let advice = try advice()
                throw StoreError(.layout, path: error.path, message: "\(error.message); \(advice)")
            }
        }
        let cutShort = found.dropLast().filter { $0.isShort && $0.foundBytes > 0 }
            .map { $0.baseOffset + $0.foundBytes..<$0.endOffset }
        lostPieces = (missing.map { $0..<$0 + segmentBytes } + cutShort).sorted { $0.lowerBound < $1.lowerBound }
        segments = Mutex(found)
        self.strays = Mutex(strays)
        self.missing = Mutex(missing)
    }

    /// What to do about segments of a log that do not follow one another: most have the size they were made with.
    private static func advice(_ directory: FilePath, _ io: any StorageIO) throws(StoreError) -> String {
        var size: Int64 = 0
        for name in try io.names(in: directory) where Segment.baseOffset(ofName: name) != nil {
            size = max(size, try io.open(directory.appending(name), .read).size())
        }
        return "set mappedFileSizeCommitLog to the size these were written with (the largest has \(size) bytes)"
    }

    /// The first file that is missing between others, until ``extend()``.
    var firstMissing: FilePath? { missing.withLock { $0.first }.map { directory.appending(Segment.name($0)) } }

    /// The end of the last file between others that was found too short; `nil` when none was.
    var shortMiddleEnd: Int64? { segments.withLock { $0.dropLast().last(where: \.isShort)?.endOffset } }

    /// Whether files were found before a gap.
    var hasStrays: Bool { strays.withLock { !$0.isEmpty } }

    /// Removes the files before a gap.
    func removeStrays() throws(StoreError) {
        let paths = strays.withLock { $0 }
        guard !paths.isEmpty else { return }
        names.note([directory])
        for path in paths { try io.removeFile(path) }
        strays.withLock { $0 = [] }
    }

    /// Brings files that were found too short to their size, and makes those that are missing.
    func extend() throws(StoreError) {
        for base in missing.withLock({ $0 }) {
            names.note([directory])
            let made = try Segment(
                directory: directory, baseOffset: base, size: segmentBytes, io: io, places: places)
            segments.withLock { segments in
                segments.insert(made, at: segments.firstIndex { $0.baseOffset > base } ?? segments.endIndex)
            }
        }
        missing.withLock { $0 = [] }
        for segment in all { try segment.extend() }
    }

    /// The absolute offset of the first byte there is, 0 when there is none.
    var firstOffset: Int64 { segments.withLock { $0.first?.baseOffset ?? 0 } }
    /// What is before this offset is gone for good: no power cut brings it back.
    var durableStart: Int64 { gone.load(ordering: .acquiring) }
    /// The end of the last segment, 0 when there is none.
    var endOffset: Int64 { segments.withLock { $0.last?.endOffset ?? 0 } }
    /// All segments in their order.
    var all: [Segment] { segments.withLock { $0 } }

    /// The segment that holds the offset; `nil` when there is none.
    func segment(at offset: Int64) -> Segment? {
        segments.withLock { segments in
            guard let first = segments.first, offset >= first.baseOffset else { return nil }
            let index = Int((offset - first.baseOffset) / segmentBytes)
            return index < segments.count ? segments[index] : nil
        }
    }

    /// The segment that holds the offset, made when it is the next one (or the first of all).
    func segmentForWriting(at offset: Int64) throws(StoreError) -> Segment {
        if let segment = segment(at: offset) { return segment }
        let base = offset / segmentBytes * segmentBytes
        let made = try Segment(
            directory: directory, baseOffset: base, size: segmentBytes, io: io, places: places)
        try made.extend()
        return segments.withLock { segments in
            precondition(
                segments.first.map { $0.baseOffset <= base } ?? true,
                "a segment at \(base) would stand before that at \(segments.first?.baseOffset ?? 0)")
            // Another thread may have prepared the same one meanwhile.
            if let last = segments.last, last.baseOffset >= base {
                return segments.first { $0.baseOffset == base } ?? made
            }
            precondition(
                segments.last.map { $0.endOffset == base } ?? true,
                "a segment at \(base) would leave a gap after \(segments.last?.endOffset ?? 0)")
            segments.append(made)
            names.note([directory])
            return made
        }
    }

    /// Writes bytes that lie within one segment.
    func write(_ buffer: ByteBuffer, at offset: Int64) throws(StoreError) {
        let segment = try segmentForWriting(at: offset)
        var failure: StoreError?
        buffer.withUnsafeReadableBytes { bytes in
            do throws(StoreError) { try segment.write(bytes, at: offset) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Appends up to `count` bytes to `buffer`, across segments; fewer when the chain ends.
    ///
    /// - Returns: whether all of them could be read; zeros stand for the others, and ``places`` knows which they are.
    @discardableResult
    func read(at offset: Int64, count: Int, into buffer: inout ByteBuffer) throws(StoreError) -> Bool {
        var isWhole = true
        var position = offset
        let end = offset + Int64(count)
        while position < end, let segment = segment(at: position) {
            let before = buffer.writerIndex
            let count = Int(min(end, segment.endOffset) - position)
            isWhole = try segment.read(at: position, count: count, into: &buffer) && isWhole
            if buffer.writerIndex == before { break }
            position += Int64(buffer.writerIndex - before)
        }
        return isWhole
    }

    /// The next offset, from this one on, that may hold anything but zeros; `nil` when none does.
    func nextData(from offset: Int64) throws(StoreError) -> Int64? {
        for segment in all where segment.endOffset > offset {
            if let found = try segment.nextData(from: offset) { return max(found, offset) }
        }
        return nil
    }

    /// Brings the segments that hold any of `range`, and the names of all, to the disk.
    func sync(_ range: Range<Int64>) throws(StoreError) {
        try syncFiles(range)
        try syncNames()
    }

    /// Brings the segments that hold any of `range` to the disk.
    func syncFiles(_ range: Range<Int64>) throws(StoreError) {
        for segment in all where segment.baseOffset < range.upperBound && segment.endOffset > range.lowerBound {
            try segment.sync()
        }
    }

    /// Brings the names of all segments to the disk.
    func syncNames() throws(StoreError) { try names.sync() }

    /// Ends the chain at the offset: removes later segments and zeroes the rest of its own; `durably` waits for the disk.
    ///
    /// - Parameter keepsFile: whether one that begins at the offset is zeroed, too, and not removed.
    func cut(at offset: Int64, durably: Bool, keepsFile: Bool = false) throws(StoreError) {
        let removed = segments.withLock { segments in
            let first = keepsFile ? offset + 1 : offset
            let removed = segments.filter { $0.baseOffset >= first }
            segments.removeAll { $0.baseOffset >= first }
            return removed
        }
        // The last one first: a crash in between leaves a chain without a gap.
        if !removed.isEmpty { names.note([directory]) }
        for segment in removed.reversed() {
            try io.removeFile(segment.path)
            places.forget(segment.baseOffset..<segment.endOffset)
        }
        if let last = segment(at: offset) { try last.zero(from: offset, durably: durably) }
        if durably { try names.sync() }
    }

    /// Removes the oldest segments that end at or before the offset, at most `limit` of them, never the last.
    ///
    /// Who reads one of them holds its file, and reads on to its end. Removed `durably`, it moves ``durableStart``; what was
    /// removed before, and could not be made durable then, is made so.
    func removeBeginning(before offset: Int64, limit: Int = .max, durably: Bool = false) throws(StoreError) -> Int {
        let removed = segments.withLock { segments in
            let removed = Array(segments.dropLast().prefix { $0.endOffset <= offset }.prefix(limit))
            segments.removeFirst(removed.count)
            return removed
        }
        // The first one first: a crash in between leaves a chain without a gap.
        if !removed.isEmpty { names.note([directory]) }
        for segment in removed {
            try io.removeFile(segment.path)
            places.forget(segment.baseOffset..<segment.endOffset)
        }
        if durably {
            try names.sync()
            gone.store(max(durableStart, firstOffset), ordering: .releasing)
        }
        return removed.count
    }

    /// Writes a range over with what it holds, so that a later sync brings it to the disk.
    ///
    /// After a sync that failed the kernel calls pages clean that the disk does not have; a process that is started anew
    /// cannot know. A power cut meanwhile changes nothing: the bytes are the same.
    func rewrite(_ range: Range<Int64>) throws(StoreError) {
        for segment in all where segment.endOffset > range.lowerBound && segment.baseOffset < range.upperBound {
            try segment.rewrite(
                max(range.lowerBound, segment.baseOffset)..<min(range.upperBound, segment.endOffset))
        }
    }
}
