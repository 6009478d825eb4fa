import MQWire
import NIOCore
public import SystemPackage

/// What a store let go of its log and keeps aside, because its group went on without it.
///
/// ```
/// cut/FROM-TO-NAME/            the offsets in 20 digits each
///   00000000000001048576 …     the log's segments with what was cut in its place, and holes before and behind
///   cut.json                   {"from": …, "to": …, "why": "…"}; written last: without it the copy is not whole
/// ```
/// `mqadmin scanStore --store …/cut/FROM-TO-NAME` lists the records. Nothing removes it but an operator.
public struct LogCut: Sendable, Hashable {
    /// The folder.
    public var path: FilePath
    /// The offsets of the bytes.
    public var range: Range<Int64>

    static let noteName = "cut.json"

    /// The cuts that are kept below a store's root, in the order of their beginnings; those that are not whole are left out.
    public static func all(below configuration: StoreConfiguration) throws(StoreError) -> [LogCut] {
        try all(below: configuration, io: SystemStorage())
    }

    static func all(below configuration: StoreConfiguration, io: any StorageIO) throws(StoreError) -> [LogCut] {
        var found: [LogCut] = []
        for name in try io.names(in: configuration.cutDirectory) {
            let path = configuration.cutDirectory.appending(name)
            if let range = try range(of: path, io: io) { found.append(LogCut(path: path, range: range)) }
        }
        return found
    }

    /// What a folder's note says of it; `nil` where it has none.
    static func range(of path: FilePath, io: any StorageIO) throws(StoreError) -> Range<Int64>? {
        let note = path.appending(noteName)
        guard let bytes = try io.readAll(note, limit: ReplacedFile.maximumBytes) else { return nil }
        guard let json = try? JSONValue(parsing: ByteBuffer(bytes: bytes)), let from = json["from"]?.integerValue,
            let end = json["to"]?.integerValue, 0 <= from, from <= end
        else { throw StoreError(.layout, path: note, message: "it does not say what was cut from where to where") }
        return from..<end
    }
}

extension StoreConfiguration {
    /// What was cut from the log and is kept aside.
    public var cutDirectory: FilePath { root.appending("cut") }
}

extension MessageStore {
    /// Copies the log's end aside, durably, before it is cut; the log itself stays as it is.
    ///
    /// A copy of the same name and place is written over: a crash came between it and the cut.
    ///
    /// - Parameters:
    ///   - name: what tells this cut from another one of the same offsets.
    ///   - reason: for whoever finds the folder.
    public func saveEnd(from offset: Int64, name: String, reason: String) throws(StoreError) -> LogCut {
        try LogCutter(log: log, configuration: configuration, io: io)
            .save(offset..<progress.writtenOffset, name: name, reason: reason)
    }
}

/// Copies a part of a log aside.
struct LogCutter {
    let log: SegmentChain
    let configuration: StoreConfiguration
    let io: any StorageIO

    /// How much is copied at once. Where all of it is zeros, as behind a filler's head, a hole is left.
    private static let chunkBytes: Int64 = 256 << 10

    func save(_ range: Range<Int64>, name: String, reason: String) throws(StoreError) -> LogCut {
        let place = "\(Segment.name(range.lowerBound))-\(Segment.name(range.upperBound))-\(name)"
        let folder = configuration.cutDirectory.appending(place)
        try io.createDirectoryDurably(folder)
        var position = range.lowerBound
        while position < range.upperBound {
            let base = position / log.segmentBytes * log.segmentBytes
            let end = min(range.upperBound, base + log.segmentBytes)
            try copy(position..<end, to: folder.appending(Segment.name(base)), base: base)
            position = end
        }
        try io.syncDirectory(folder)
        let note: JSONValue = [
            "from": .integer(range.lowerBound), "to": .integer(range.upperBound), "why": .string(reason),
        ]
        try ReplacedFile(folder.appending(LogCut.noteName), io: io, keepsBackup: false)
            .save(Array(note.encoded().readableBytesView))
        return LogCut(path: folder, range: range)
    }

    private func copy(_ range: Range<Int64>, to path: FilePath, base: Int64) throws(StoreError) {
        let file = try io.open(path, .write)
        try file.resize(to: 0)
        try file.resize(to: log.segmentBytes)
        var position = range.lowerBound
        while position < range.upperBound {
            var bytes = ByteBuffer()
            let count = min(Self.chunkBytes, range.upperBound - position)
            try log.read(at: position, count: Int(count), into: &bytes)
            guard bytes.readableBytes == Int(count) else {
                throw StoreError(
                    .layout, path: path, message: "the log has \(bytes.readableBytes) of \(count) bytes at \(position)")
            }
            if !bytes.readableBytesView.allSatisfy({ $0 == 0 }) {
                try file.write(Array(bytes.readableBytesView), at: position - base)
            }
            position += count
        }
        try file.sync()
    }
}
