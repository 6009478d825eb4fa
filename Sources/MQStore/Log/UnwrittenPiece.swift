import MQWire
import NIOCore

/// Tells a piece of the log that never reached the disk from one that went bad there.
///
/// A power cut loses whole sectors: where the disk got nothing it holds zeros, since no segment's bytes are used twice.
/// From where a record begins, or a sector does, up to the sector's end there is then nothing but zeros; rot leaves
/// other bytes. Five cases are none:
///
/// 1. Fewer than 4 bytes of a record in its first sector: a record's first bytes may be zeros.
/// 2. A sector of which a part lies behind the piece: a sound record begins there, so the sector was written.
/// 3. A segment's rest behind a filler whose 8 bytes went bad: it was never meant to be written.
/// 4. The same behind a sound filler, when the record before it went bad and nobody knows where that one ends.
/// 5. A sector that cannot be read: zeros only stand for what it holds. Nor the zeros behind it up to the segment's end: a
///    filler may begin in it.
///
/// One case cannot be told apart: rot in a record whose body holds a sector of zeros itself.
struct UnwrittenPiece {
    let source: LogReader.Source

    /// The unit that a disk writes whole or not at all, in bytes.
    static let sectorBytes: Int64 = 512
    /// The first bytes of a record hold its size, which is not 0.
    private static let sizeBytes: Int64 = 4
    /// The bytes of a filler that say something.
    private static let fillerBytes: Int64 = 8
    private static let windowBytes: Int64 = 1 << 20

    /// Whether any of `range`, which begins where a record should, was never written.
    func isIn(_ range: Range<Int64>) throws(StoreError) -> Bool {
        var start = range.lowerBound
        while start < range.upperBound {
            let segmentEnd = (start / source.segmentBytes + 1) * source.segmentBytes
            let end = min(range.upperBound, segmentEnd)
            var filler = end == segmentEnd ? try soundFiller(in: start..<end) : nil
            if filler == nil, end == segmentEnd { filler = try unreadableFiller(in: start..<end) }
            let piece = start..<(filler ?? end)
            if try hasSector(in: piece), !(try isFiller(piece, segmentEnd: segmentEnd)) { return true }
            start = end
        }
        return false
    }

    private func hasSector(in piece: Range<Int64>) throws(StoreError) -> Bool {
        var position = piece.lowerBound
        while position < piece.upperBound {
            let window = try source.fetch(position, Int(min(Self.windowBytes, piece.upperBound - position)))
            guard window.readableBytes > 0 else { return false }
            let end = position + Int64(window.readableBytes)
            var sector = position
            while sector < end {
                let next = (sector / Self.sectorBytes + 1) * Self.sectorBytes
                guard next <= end else { break }
                if next - sector >= Self.sizeBytes, Self.isZero(window, sector - position, next - sector),
                    !source.isUnreadable(sector..<next)
                {
                    return true
                }
                sector = next
            }
            // The next window begins with a sector.
            let step = end / Self.sectorBytes * Self.sectorBytes
            position = step > position && end < piece.upperBound ? step : end
        }
        return false
    }

    private func isFiller(_ piece: Range<Int64>, segmentEnd: Int64) throws(StoreError) -> Bool {
        guard piece.upperBound == segmentEnd, Int64(piece.count) >= Self.fillerBytes else { return false }
        let head = try source.fetch(piece.lowerBound, Int(Self.fillerBytes))
        if Self.isZero(head, 0, Int64(head.readableBytes)),
            !source.isUnreadable(piece.lowerBound..<piece.lowerBound + Self.fillerBytes)
        {
            return false
        }
        return try isAllZero(piece.lowerBound + Self.fillerBytes..<piece.upperBound)
    }

    private func isAllZero(_ range: Range<Int64>) throws(StoreError) -> Bool {
        var position = range.lowerBound
        while position < range.upperBound {
            let window = try source.fetch(position, Int(min(Self.windowBytes, range.upperBound - position)))
            guard window.readableBytes > 0 else { return true }
            if !Self.isZero(window, 0, Int64(window.readableBytes)) { return false }
            position += Int64(window.readableBytes)
        }
        return true
    }

    /// Where the zeros begin that follow a sector that cannot be read, when nothing else comes up to the segment's end.
    private func unreadableFiller(in piece: Range<Int64>) throws(StoreError) -> Int64? {
        guard let last = source.places?.ranges.last(where: { $0.overlaps(piece) }), last.upperBound < piece.upperBound
        else { return nil }
        return try isAllZero(last.upperBound..<piece.upperBound) ? last.upperBound : nil
    }

    /// Where the filler begins whose size leads from there to the segment's end, which is the piece's.
    private func soundFiller(in piece: Range<Int64>) throws(StoreError) -> Int64? {
        var position = piece.lowerBound
        while position + Self.fillerBytes <= piece.upperBound {
            let window = try source.fetch(position, Int(min(Self.windowBytes, piece.upperBound - position)))
            guard window.readableBytes >= Int(Self.fillerBytes) else { return nil }
            if let found = Self.filler(in: window, at: position, segmentEnd: piece.upperBound) { return found }
            // One that begins in this window's last bytes is whole in the next.
            position += Int64(window.readableBytes) - (Self.fillerBytes - 1)
        }
        return nil
    }

    private static func filler(in window: ByteBuffer, at position: Int64, segmentEnd: Int64) -> Int64? {
        let magic = RecordLayout.blankMagic
        return window.withUnsafeReadableBytes { bytes in
            var index = 0
            while index + Int(fillerBytes) <= bytes.count {
                // Nearly all of a segment's rest is zeros.
                guard let hit = bytes[(index + 4)..<(bytes.count - 3)].firstIndex(of: UInt8(magic >> 24)) else {
                    return nil
                }
                let start = hit - 4
                let word = bytes.loadUnaligned(fromByteOffset: hit, as: UInt32.self).bigEndian
                let size = bytes.loadUnaligned(fromByteOffset: start, as: Int32.self).bigEndian
                if word == magic, Int64(size) == segmentEnd - position - Int64(start) { return position + Int64(start) }
                index = start + 1
            }
            return nil
        }
    }

    private static func isZero(_ buffer: ByteBuffer, _ start: Int64, _ count: Int64) -> Bool {
        buffer.withUnsafeReadableBytes { bytes in
            let part = bytes[(bytes.startIndex + Int(start))..<(bytes.startIndex + Int(start + count))]
            return !part.contains { $0 != 0 }
        }
    }
}
