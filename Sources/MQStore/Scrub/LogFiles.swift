import NIOCore
import SystemPackage

/// The files of a commit log, opened for reading from outside: beside a broker that writes, removes and makes some.
struct LogFiles {
    /// A segment's file.
    private struct File {
        var base: Int64
        var file: any StorageFile
        var size: Int64
    }

    /// Files without a gap between them.
    private struct Stretch {
        var files: [File]
        var start: Int64 { files.first?.base ?? 0 }
    }

    /// The size of a segment in bytes.
    let segmentBytes: Int64
    private let stretches: [Stretch]
    /// What of it could not be read so far.
    let places = UnreadablePlaces(now: { 0 })

    /// Opens what is there.
    ///
    /// - Throws: ``StoreError`` when there is no segment, or none that can be read.
    init(directory: FilePath, io: any StorageIO) throws(StoreError) {
        var files: [File] = []
        // All that were listed may be gone by the time they are opened: then others are there.
        for _ in 0..<Self.listings where files.isEmpty { files = try Self.open(directory, io) }
        guard !files.isEmpty else {
            throw StoreError(
                .noStore, path: directory, message: "no segment of a commit log; name the broker's storePathRootDir")
        }
        // One that is being made is empty for a moment; one that lost its end is shorter than the others.
        segmentBytes = files.map(\.size).max() ?? 0
        guard segmentBytes > 0 else {
            throw StoreError(.layout, path: directory, message: "the segments are empty")
        }
        var stretches: [Stretch] = []
        for file in files {
            if let last = stretches.last?.files.last, last.base + segmentBytes == file.base {
                stretches[stretches.count - 1].files.append(file)
            } else {
                stretches.append(Stretch(files: [file]))
            }
        }
        self.stretches = stretches
    }

    /// How often the files are listed when none of them is there any more.
    private static let listings = 10

    private static func open(_ directory: FilePath, _ io: any StorageIO) throws(StoreError) -> [File] {
        var files: [File] = []
        for base in try io.names(in: directory).compactMap(Segment.baseOffset(ofName:)) {
            do throws(StoreError) {
                let file = try io.open(directory.appending(Segment.name(base)), .read)
                files.append(File(base: base, file: file, size: try file.size()))
            } catch {
                // Removed since it was listed, with what is too old.
                guard error.cause == .noSuchFileOrDirectory else { throw error }
            }
        }
        return files
    }

    /// The offset of the first byte there is.
    var beginning: Int64 { stretches.first?.start ?? 0 }

    /// The offset of the first byte behind the files.
    var end: Int64 { stretches.last?.files.last.map { $0.base + $0.size } ?? 0 }

    /// Where files are missing between others.
    var gaps: [Range<Int64>] {
        zip(stretches, stretches.dropFirst()).compactMap { before, after in
            let end = end(of: before)
            return end < after.start ? end..<after.start : nil
        }
    }

    /// The log as it is to be walked, piece by piece: each goes up to the next gap.
    var walks: [(source: LogReader.Source, end: Int64)] {
        stretches.map { (source($0.files), end(of: $0)) }
    }

    /// All of it, for reading single records.
    var source: LogReader.Source { source(stretches.flatMap(\.files)) }

    private func end(of stretch: Stretch) -> Int64 { (stretch.files.last?.base ?? 0) + segmentBytes }

    private func source(_ files: [File]) -> LogReader.Source {
        LogReader.Source(
            segmentBytes: segmentBytes, beginning: files.first?.base ?? 0,
            fetch: { [segmentBytes, places] offset, count throws(StoreError) in
                guard let place = files.last(where: { $0.base <= offset }) else { return ByteBuffer() }
                let room = place.base + segmentBytes - offset
                guard room > 0 else { return ByteBuffer() }
                return try place.file.bytesAround(
                    at: offset - place.base, count: Int(min(Int64(count), room))
                ) { ranges throws(StoreError) in
                    guard !places.note(ranges.map { $0.lowerBound + place.base..<$0.upperBound + place.base }) else {
                        return
                    }
                    throw StoreError(.unreadable, path: place.file.path, message: "pread", cause: .ioError)
                }
            },
            nextData: { [segmentBytes] offset throws(StoreError) in
                for place in files where place.base + segmentBytes > offset {
                    if let found = try place.file.nextData(from: max(0, offset - place.base)), found < segmentBytes {
                        return max(offset, place.base + found)
                    }
                }
                return nil
            }, places: places)
    }

    /// Notes in which files places of the log lie that could not be read.
    func note(_ unreadable: [Range<Int64>], in files: UnreadableFiles) {
        for file in stretches.flatMap(\.files) {
            let own = file.base..<file.base + segmentBytes
            for range in unreadable where range.overlaps(own) {
                let part = range.clamped(to: own)
                files.note(file.file.path, [part.lowerBound - file.base..<part.upperBound - file.base])
            }
        }
    }
}

extension StorageFile {
    /// Up to `count` bytes from the offset on, fewer only at the file's end.
    func bytes(at offset: Int64, count: Int) throws(StoreError) -> ByteBuffer {
        var buffer = ByteBuffer()
        guard count > 0 else { return buffer }
        var failure: StoreError?
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
            do throws(StoreError) {
                return try read(into: .init(rebasing: target[..<count]), at: offset)
            } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        return buffer
    }
}
