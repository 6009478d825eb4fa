import Glibc
import Synchronization
import SystemPackage

/// The index files of a store: which messages have which key.
///
/// Follows the log: everything here can be made anew from it. What is not sound at the start is removed, and its
/// messages are indexed again.
final class MessageIndex: Sendable {
    private let directory: FilePath
    private let layout: IndexLayout
    private let io: any StorageIO
    private let now: @Sendable () -> Int64
    /// Oldest first; only the last one is written.
    private let files: Mutex<[IndexFile]>

    /// Opens what is in the directory and removes what cannot be right, or leads behind the log's end.
    ///
    /// - Parameter isGap: whether the log holds messages with keys behind one offset (its beginning, when it is `nil`) and
    ///   before another: a file that held them is lost, and the later ones go, so that all are indexed anew.
    init(
        directory: FilePath, layout: IndexLayout, logEnd: Int64, io: any StorageIO,
        isGap: (_ last: Int64?, _ begin: Int64) throws(StoreError) -> Bool, now: @escaping @Sendable () -> Int64
    ) throws(StoreError) {
        self.directory = directory
        self.layout = layout
        self.io = io
        self.now = now
        try io.createDirectoryDurably(directory)
        var sound: [IndexFile] = []
        var removed = false
        for name in try io.names(in: directory) where Self.isName(name) {
            let path = directory.appending(name)
            let file = try Self.open(path, layout, io)
            let beginsBehind = sound.last.map { $0.header.endOffset <= (file?.header.beginOffset ?? 0) } ?? true
            // Behind one that is gone there would be a gap, so that all later ones go, too.
            if let file, !removed, !file.header.isEmpty, file.header.endOffset < logEnd, beginsBehind,
                !(try isGap(sound.last?.header.endOffset, file.header.beginOffset))
            {
                sound.append(file)
            } else {
                try io.removeFile(path)
                removed = true
            }
        }
        // Before the log grows again: an entry that leads behind its end must never count.
        if removed { try io.syncDirectory(directory) }
        files = Mutex(sound)
    }

    /// The file; `nil` when it cannot be right, or not be read.
    private static func open(
        _ path: FilePath, _ layout: IndexLayout, _ io: any StorageIO
    ) throws(StoreError) -> IndexFile? {
        do throws(StoreError) { return try IndexFile(opening: path, layout: layout, io: io) } catch {
            guard error.code == .unreadable else { throw error }
            return nil
        }
    }

    /// The log offset of the last message that is indexed; `nil` when none is.
    var lastOffset: Int64? { lastHeader?.endOffset }
    /// The store time of the last message that is indexed, 0 when none is.
    var lastTimestamp: Int64 { lastHeader?.endTimestamp ?? 0 }
    /// Asked of a copy of the list: a file may be at the disk, and the list's lock is not to wait for it.
    private var lastHeader: IndexHeader? { all.reversed().lazy.map(\.header).first { !$0.isEmpty } }
    /// The files there are, oldest first.
    var all: [IndexFile] { files.withLock { $0 } }

    /// Opens the last file for writing, or takes it away when its entries contradict each other.
    func resumeLast() throws(StoreError) {
        guard let last = all.last, !(try last.resume()) else { return }
        _ = files.withLock { $0.popLast() }
        try io.removeFile(last.path)
        try io.syncDirectory(directory)
    }

    /// The file that takes a message of so many keys; `nil` when the one that is written must be sealed before.
    func fileForWriting(keys: Int) throws(StoreError) -> IndexFile? {
        guard let last = all.last, last.isOpenForWriting else { return try add() }
        return last.hasRoom(for: keys) ? last : nil
    }

    /// Gives a full file's memory back, once it is sealed.
    func releaseLast() { all.last?.release() }

    /// So many milliseconds are counted through to find a name: it takes a moment, and searchers wait.
    private static let shortLag: Int64 = 100

    /// Makes the next file.
    func add() throws(StoreError) -> IndexFile {
        let last = all.last?.path.lastComponent?.string
        var time = now()
        var name = Self.name(time)
        // Names sort by their age, whatever the clock does: a little behind the last one it catches up, else the last counts.
        if let last, last > Self.name(time + Self.shortLag) { name = Self.successor(last) }
        while let last, name <= last {
            time += 1
            name = Self.name(time)
        }
        let path = directory.appending(name)
        do throws(StoreError) {
            let made = try IndexFile(making: path, layout: layout, io: io)
            try io.syncDirectory(directory)
            files.withLock { $0.append(made) }
            return made
        } catch {
            // The next attempt has another name.
            try? io.removeFile(path)
            throw error
        }
    }

    /// Removes files that lead only to messages before the log's beginning; never the last.
    func removeBeginning(before logOffset: Int64) throws(StoreError) {
        let removed = files.withLock { files in
            let removed = Array(files.dropLast().prefix { $0.header.endOffset < logOffset })
            files.removeFirst(removed.count)
            return removed
        }
        for file in removed { try io.removeFile(file.path) }
    }

    /// The log offsets of messages that may have the key, in the log's order: the newest `limit` within the times.
    ///
    /// Another key may have the same hash: whoever asks looks at the message. A file that cannot be read loses its name, so
    /// that the next start makes it anew; until then the search fails, as nobody knows what it would have found.
    func search(
        topic: String, key: String, within times: ClosedRange<Int64>, limit: Int
    ) throws(StoreError) -> [Int64] {
        let hash = IndexLayout.hash(topic: topic, key: key)
        var found: [Int64] = []
        for file in all.reversed() where found.count < limit {
            do throws(StoreError) {
                found += try file.search(hash, within: times, limit: limit - found.count)
            } catch {
                if error.code == .unreadable {
                    try? io.removeFile(file.path)
                    try? io.syncDirectory(directory)
                }
                throw error
            }
        }
        return found.reversed()
    }

    // MARK: Names

    /// The moment of a file's making, as RocketMQ names it: `yyyyMMddHHmmssSSS`.
    static func name(_ milliseconds: Int64) -> String {
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func digits(_ value: some BinaryInteger, _ width: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
        }
        return digits(parts.tm_year + 1900, 4) + digits(parts.tm_mon + 1, 2) + digits(parts.tm_mday, 2)
            + digits(parts.tm_hour, 2) + digits(parts.tm_min, 2) + digits(parts.tm_sec, 2)
            + digits(milliseconds % 1000, 3)
    }

    static func isName(_ name: String) -> Bool {
        name.utf8.count == 17 && name.utf8.allSatisfy { $0 >= 48 && $0 <= 57 }
    }

    /// A name that sorts behind one from the clock's future.
    private static func successor(_ name: String) -> String { Int64(name).map { String($0 + 1) } ?? name + "1" }
}
