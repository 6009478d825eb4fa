import NIOCore
import SystemPackage

/// The files of one consume queue, read from outside.
struct QueueFiles {
    let key: QueueKey
    private let directory: FilePath
    private let io: any StorageIO
    private let unreadable: UnreadableFiles
    /// The size of each file in bytes; 0 when there is none.
    private var fileBytes: Int64 = 0
    private var file: (base: Int64, file: any StorageFile)?
    /// Entries that were read at once, and the queue offset of the first.
    private var window = ByteBuffer()
    private var windowStart: Int64 = 0

    /// The entries read at once.
    private static let windowEntries: Int64 = 1024

    init(_ key: QueueKey, directory: FilePath, io: any StorageIO, unreadable: UnreadableFiles) {
        self.unreadable = unreadable
        self.key = key
        self.directory = directory
        self.io = io
    }

    /// Whether the queue has a folder.
    var exists: Bool {
        get throws(StoreError) { try io.exists(directory) }
    }
    /// Whether a file is held open.
    var isOpen: Bool { file != nil }

    /// Lets go of the file, and of what was read.
    mutating func close() {
        file = nil
        window = ByteBuffer()
    }

    /// What stands at a place of the queue; `nil` for nothing. An entry may have been read with an earlier one.
    mutating func entry(at offset: Int64) throws(StoreError) -> QueueEntry? {
        guard offset >= 0, offset < Int64.max / QueueEntry.encodedSize else { return nil }
        let isInWindow =
            offset >= windowStart && (offset - windowStart + 1) * QueueEntry.encodedSize <= Int64(window.readableBytes)
        if !isInWindow { try fill(from: offset) }
        let place = (offset - windowStart) * QueueEntry.encodedSize
        guard place + QueueEntry.encodedSize <= Int64(window.readableBytes),
            var bytes = window.getSlice(at: window.readerIndex + Int(place), length: Int(QueueEntry.encodedSize))
        else { return nil }
        let entry = QueueEntry(from: &bytes)
        // Of what is not written yet nothing is kept.
        if entry == nil { window.clear() }
        return entry
    }

    private mutating func fill(from offset: Int64) throws(StoreError) {
        window.clear()
        windowStart = offset
        let position = offset * QueueEntry.encodedSize
        if file.map({ position < $0.base || position >= $0.base + fileBytes }) ?? true { try open(position) }
        guard let file, position >= file.base else { return }
        window = try bytes(of: file.file, at: position - file.base)
    }

    /// What stands in a file; zeros for what cannot be read.
    private func bytes(of file: any StorageFile, at position: Int64) throws(StoreError) -> ByteBuffer {
        try file.bytesAround(at: position, count: Int(Self.windowEntries * QueueEntry.encodedSize)) { ranges in
            unreadable.note(file.path, ranges)
        }
    }

    /// Opens the file that holds a position, if there is one.
    private mutating func open(_ position: Int64) throws(StoreError) {
        file = nil
        let bases = try bases()
        guard let base = bases.last(where: { $0 <= position }) else { return }
        guard let opened = try Self.open(directory.appending(Segment.name(base)), io) else { return }
        // The last one may be half made; of two the step tells the size.
        let step = zip(bases.dropFirst(), bases).map { $0 - $1 }.min()
        fileBytes = max(step ?? 0, step == nil ? try opened.size() : 0)
        guard position < base + fileBytes else { return }
        file = (base, opened)
    }

    private func bases() throws(StoreError) -> [Int64] {
        try io.names(in: directory).compactMap(Segment.baseOffset(ofName:))
    }

    /// The places of the files that end at or before one, but for the last file; `nil` when there are none.
    func wholeFiles(before place: Int64) throws(StoreError) -> Range<Int64>? {
        let bases = try bases()
        guard let first = bases.first, let end = bases.last(where: { $0 <= place * QueueEntry.encodedSize }),
            first < end
        else { return nil }
        return first / QueueEntry.encodedSize..<end / QueueEntry.encodedSize
    }

    /// Opens a file; `nil` when it was removed since it was listed, with what is too old.
    private static func open(_ path: FilePath, _ io: any StorageIO) throws(StoreError) -> (any StorageFile)? {
        do throws(StoreError) { return try io.open(path, .read) } catch {
            guard error.cause == .noSuchFileOrDirectory else { throw error }
            return nil
        }
    }

    /// Hands every entry that is written to `body`, with its place, in order.
    func forEach(_ body: (QueueEntry, _ offset: Int64) throws(StoreError) -> Void) throws(StoreError) {
        for base in try bases() {
            guard let file = try Self.open(directory.appending(Segment.name(base)), io) else { continue }
            let size = try file.size()
            var position: Int64 = 0
            while let data = try file.nextData(from: position), data < size {
                position = max(position, data / QueueEntry.encodedSize * QueueEntry.encodedSize)
                var bytes = try bytes(of: file, at: position)
                if bytes.readableBytes < Int(QueueEntry.encodedSize) { break }
                while bytes.readableBytes >= Int(QueueEntry.encodedSize) {
                    let offset = (base + position) / QueueEntry.encodedSize
                    position += QueueEntry.encodedSize
                    if let entry = QueueEntry(from: &bytes) { try body(entry, offset) }
                }
            }
        }
    }
}
