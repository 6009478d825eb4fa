import NIOCore
import SystemPackage

/// What a scrub could not read, by file.
final class UnreadableFiles {
    private var places: [String: RangeSet<Int64>] = [:]

    /// Notes places of a file, counted from its beginning.
    func note(_ path: FilePath, _ ranges: [Range<Int64>]) {
        for range in ranges { places[path.string, default: RangeSet()].insert(contentsOf: range) }
    }

    /// A finding for each place, by file.
    func findings(below root: FilePath) -> [StoreScrubber.Finding] {
        places.sorted { $0.key < $1.key }.flatMap { path, ranges in
            ranges.ranges.map { .unreadable(file: Self.name(FilePath(path), below: root), bytes: $0) }
        }
    }

    /// The path below the store's folder.
    private static func name(_ path: FilePath, below root: FilePath) -> String {
        var path = path
        _ = path.removePrefix(root)
        return path.string
    }
}

extension StorageFile {
    /// Up to `count` bytes from the offset on, fewer only at the file's end; zeros stand for what cannot be read, which
    /// `note` is told.
    func bytesAround(
        at offset: Int64, count: Int, _ note: ([Range<Int64>]) throws(StoreError) -> Void
    ) throws(StoreError) -> ByteBuffer {
        do throws(StoreError) { return try bytes(at: offset, count: count) } catch {
            guard error.code == .unreadable else { throw error }
        }
        var buffer = ByteBuffer()
        var failure: StoreError?
        var ranges: [Range<Int64>] = []
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
            do throws(StoreError) {
                let (done, unreadable) = try readAround(into: .init(rebasing: target[..<count]), at: offset)
                ranges = unreadable
                return done
            } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        if !ranges.isEmpty { try note(ranges) }
        return buffer
    }

    /// All places of the file that cannot be read.
    func unreadableRanges() throws(StoreError) -> [Range<Int64>] {
        var found: [Range<Int64>] = []
        var position: Int64 = 0
        let size = try size()
        while position < size {
            _ = try bytesAround(at: position, count: LogReader.windowBytes) { ranges in found += ranges }
            position += Int64(LogReader.windowBytes)
        }
        return found
    }
}
