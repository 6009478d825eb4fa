import NIOCore
import SystemPackage

/// One file of a fixed size that holds the bytes from `baseOffset` on.
///
/// Offsets are absolute. The file closes when the last reader lets go, so one that was removed can be read to the end.
final class Segment: Sendable {
    /// The absolute offset of the first byte; also the file's name.
    let baseOffset: Int64
    /// The size of the file in bytes.
    let size: Int64
    /// The bytes that the file had when it was opened; fewer than ``size`` until ``extend()``.
    let foundBytes: Int64
    private let file: any StorageFile
    /// What cannot be read of this segment and those beside it.
    let places: UnreadablePlaces

    /// Where it is.
    var path: FilePath { file.path }
    /// The end of the segment, exclusive.
    var endOffset: Int64 { baseOffset + size }

    /// A file name of 20 digits.
    static func name(_ baseOffset: Int64) -> String {
        let digits = String(baseOffset)
        return String(repeating: "0", count: 20 - digits.utf8.count) + digits
    }

    /// The offset that a file name of 20 digits says; `nil` for other names, and for what no store has come to.
    static func baseOffset(ofName name: String) -> Int64? {
        guard name.utf8.count == 20, name.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }), let offset = Int64(name),
            offset <= largestBase
        else { return nil }
        return offset
    }

    /// Four exabytes: that and a segment, or an entry's place of it, fits a number.
    private static let largestBase: Int64 = 1 << 62

    /// Opens the file, and makes it when it is missing; ``extend()`` brings it to `size`.
    init(
        directory: FilePath, baseOffset: Int64, size: Int64, io: any StorageIO, places: UnreadablePlaces
    ) throws(StoreError) {
        self.places = places
        self.baseOffset = baseOffset
        self.size = size
        file = try io.open(directory.appending(Self.name(baseOffset)), .write)
        foundBytes = try file.size()
        guard foundBytes <= size else {
            throw StoreError(
                .layout, path: file.path,
                message: "the file has \(foundBytes) bytes, and files of its kind are set to \(size)")
        }
    }

    /// Whether the file was opened shorter than it should be.
    var isShort: Bool { foundBytes < size }

    /// Brings the file to its size without writing a block.
    func extend() throws(StoreError) {
        if isShort { try file.resize(to: size) }
    }

    /// Writes all of `bytes` at the absolute offset.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(StoreError) {
        precondition(
            offset >= baseOffset && offset + Int64(bytes.count) <= endOffset,
            "write of \(bytes.count) bytes at \(offset) leaves the segment \(baseOffset)..<\(endOffset)")
        try file.write(bytes, at: offset - baseOffset)
        places.forget(offset..<offset + Int64(bytes.count))
    }

    /// Appends up to `count` bytes from the absolute offset to `buffer`; fewer only at the end of the file.
    ///
    /// What the disk cannot read stands as zeros, and is noted in ``places``.
    ///
    /// - Returns: whether all could be read.
    @discardableResult
    func read(at offset: Int64, count: Int, into buffer: inout ByteBuffer) throws(StoreError) -> Bool {
        let wanted = min(count, Int(endOffset - offset))
        guard wanted > 0 else { return true }
        do throws(StoreError) {
            try read(wanted, into: &buffer) { target throws(StoreError) in
                try file.read(into: target, at: offset - baseOffset)
            }
        } catch {
            guard error.code == .unreadable else { throw error }
            return try readAround(offset, wanted, into: &buffer)
        }
        places.forget(offset..<offset + Int64(wanted))
        return true
    }

    private func readAround(_ offset: Int64, _ wanted: Int, into buffer: inout ByteBuffer) throws(StoreError) -> Bool {
        var isWhole = true
        try read(wanted, into: &buffer) { target throws(StoreError) in
            let (count, unreadable) = try file.readAround(into: target, at: offset - baseOffset)
            let ranges = unreadable.map { $0.lowerBound + baseOffset..<$0.upperBound + baseOffset }
            if let first = ranges.first, !places.note(ranges) {
                throw StoreError(.unreadable, path: path, message: "pread at \(first.lowerBound)", cause: .ioError)
            }
            isWhole = ranges.isEmpty
            return count
        }
        return isWhole
    }

    private func read(
        _ wanted: Int, into buffer: inout ByteBuffer,
        _ body: (UnsafeMutableRawBufferPointer) throws(StoreError) -> Int
    ) throws(StoreError) {
        var failure: StoreError?
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted) { target in
            do throws(StoreError) { return try body(.init(rebasing: target[..<wanted])) } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
    }

    /// Gives the whole file blocks, so that no write to it meets a full disk.
    func allocate() throws(StoreError) { try file.allocate(to: size) }

    /// Brings what was written to the disk.
    func sync() throws(StoreError) { try file.sync() }

    /// The next absolute offset that may hold anything but zeros; `nil` when none of this segment does.
    func nextData(from offset: Int64) throws(StoreError) -> Int64? {
        guard let found = try file.nextData(from: max(0, offset - baseOffset)), found < size else { return nil }
        return baseOffset + found
    }

    /// Makes every byte from the absolute offset on zero; `durably` waits for the disk.
    func zero(from offset: Int64, durably: Bool) throws(StoreError) {
        try file.resize(to: offset - baseOffset)
        try file.resize(to: size)
        places.forget(offset..<endOffset)
        if durably { try file.sync() }
    }

    /// Writes a range over with what it holds, but for pages that are a hole and read as zeros: they would need blocks,
    /// which a full disk does not have, and hold nothing that it could lack. What cannot be read is left as it is.
    func rewrite(_ range: Range<Int64>) throws(StoreError) {
        var position = range.lowerBound
        // Before this offset, from `position` on, the file has a hole.
        var data = position
        while position < range.upperBound {
            var piece = ByteBuffer()
            try read(at: position, count: Int(min(range.upperBound - position, Self.rewriteBytes)), into: &piece)
            guard piece.readableBytes > 0 else { return }
            let end = position + Int64(piece.readableBytes)
            for part in places.readableParts(of: position..<end) {
                try rewrite(part, from: piece, endingAt: end, &data)
            }
            position = end
        }
    }

    private func rewrite(
        _ part: Range<Int64>, from piece: ByteBuffer, endingAt end: Int64, _ data: inout Int64
    ) throws(StoreError) {
        var position = part.lowerBound
        while position < part.upperBound {
            let isHole = try skipHole(piece, position..<pageEnd(position, part.upperBound), endingAt: end, &data)
            // Neighbours of one kind go with one call.
            var next = pageEnd(position, part.upperBound)
            while next < part.upperBound,
                try skipHole(piece, next..<pageEnd(next, part.upperBound), endingAt: end, &data) == isHole
            {
                next = pageEnd(next, part.upperBound)
            }
            if !isHole { try write(piece, of: position..<next, endingAt: end) }
            position = next
        }
    }

    private func pageEnd(_ offset: Int64, _ limit: Int64) -> Int64 {
        min(limit, baseOffset + ((offset - baseOffset) / Self.pageBytes + 1) * Self.pageBytes)
    }

    /// Whether a page, or a part of one, is a hole; `data` remembers where the next bytes are.
    private func skipHole(
        _ piece: ByteBuffer, _ page: Range<Int64>, endingAt end: Int64, _ data: inout Int64
    ) throws(StoreError) -> Bool {
        let isZero = piece.withUnsafeReadableBytes { bytes in
            let start = bytes.count - Int(end - page.lowerBound)
            return !bytes[start..<start + page.count].contains { $0 != 0 }
        }
        guard isZero else { return false }
        if data <= page.lowerBound { data = try nextData(from: page.lowerBound) ?? .max }
        return page.upperBound <= data
    }

    private func write(_ piece: ByteBuffer, of range: Range<Int64>, endingAt end: Int64) throws(StoreError) {
        var failure: StoreError?
        piece.withUnsafeReadableBytes { bytes in
            let start = bytes.count - Int(end - range.lowerBound)
            do throws(StoreError) {
                try write(UnsafeRawBufferPointer(rebasing: bytes[start..<start + range.count]), at: range.lowerBound)
            } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// The bytes read at once while writing over.
    private static let rewriteBytes: Int64 = 1 << 20

    /// Makes a range zero by writing, where anything else stands: writing zeros into a hole would need space.
    ///
    /// - Returns: whether anything else stood there.
    @discardableResult
    func zero(_ range: Range<Int64>) throws(StoreError) -> Bool {
        var position = range.lowerBound
        var isChanged = false
        while position < range.upperBound {
            // Up to the next page of the file, so that no piece reaches from written blocks into a hole.
            let inPage = (position - baseOffset) % Self.pageBytes
            let count = Int(min(range.upperBound - position, Self.pageBytes - inPage))
            var present = ByteBuffer()
            try read(at: position, count: count, into: &present)
            // Zeros that stand for what cannot be read are none.
            let isReadable = !places.touches(position..<position + Int64(count))
            let isZero = isReadable && present.withUnsafeReadableBytes { bytes in !bytes.contains { $0 != 0 } }
            if !isZero {
                isChanged = true
                var failure: StoreError?
                ByteBuffer(repeating: 0, count: count).withUnsafeReadableBytes { bytes in
                    do throws(StoreError) { try write(bytes, at: position) } catch { failure = error }
                }
                if let failure { throw failure }
            }
            position += Int64(count)
        }
        return isChanged
    }

    /// The smallest unit in which a file has blocks or none: XFS's; ext4's are 1,024 bytes on a small disk, mostly 4,096.
    private static let pageBytes: Int64 = 512
}
