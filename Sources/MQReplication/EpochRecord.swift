public import MQStore
import MQWire
import NIOCore
import Synchronization
public import SystemPackage

/// The epochs of a store's log, and the one in which this broker serves as the master; durable in a file of their own.
///
/// The table is written before the bytes that it describes: when a master begins, and when a slave takes its master's over.
/// It need not be cut with the log, since it tells of which log the store's is a beginning; an epoch of which the log has
/// nothing goes when the next one begins.
public final class EpochRecord: Sendable {
    private struct State {
        var table: EpochTable
        var reign: Epoch?
        var isSaved = true
    }

    private let file: ReplacedFile
    private let state: Mutex<State>
    /// Held while the file is written, so that an older table never comes after a newer one.
    private let turn = Mutex<Void>(())

    /// Reads the table of the store below `root`; a store without one has no epochs yet.
    ///
    /// - Throws: ``MQStore/StoreError`` when it cannot be read, or went bad: guessing would cut what must not be cut.
    public init(root: FilePath) throws(StoreError) {
        file = ReplacedFile(root.appending("epochs"))
        var table = EpochTable()
        if let bytes = try file.load() {
            guard let saved = EpochTable(text: String(decoding: bytes, as: UTF8.self)) else {
                throw StoreError(
                    .layout, path: file.path,
                    message:
                        "the table of epochs is damaged. A broker without others of its name begins a new one when "
                        + "this file is moved away; in a group, copy that of another broker of the name here, or "
                        + "remove this store to have it copied anew")
            }
            table = saved
        }
        state = Mutex(State(table: table))
    }

    /// Which epoch wrote which part of the log.
    public var table: EpochTable { state.withLock { $0.table } }
    /// The epoch in which this broker is the master; `nil` while it is not.
    public var reign: Epoch? { state.withLock { $0.reign } }

    /// Begins to be the master, in an epoch behind all that are known. Blocks on the disk.
    ///
    /// The epoch counts from now on even when the file could not be written: see ``saveIfUnsaved()``.
    ///
    /// - Parameters:
    ///   - span: what the store has.
    ///   - known: the greatest number that another broker of the group was seen to have.
    @discardableResult
    public func begin(span: Range<Int64>, known: Int64) throws(StoreError) -> Epoch {
        let epoch = state.withLock { state in
            let epoch = Epoch(
                number: max(state.table.last.number, known) + 1, mark: UInt64.random(in: 1...UInt64.max))
            state.table.begin(epoch, at: span.upperBound)
            state.table.forget(before: span.lowerBound)
            state.reign = epoch
            state.isSaved = false
            return epoch
        }
        try saveIfUnsaved()
        return epoch
    }

    /// Begins this epoch at the log's end, for a master that its group has made so. Blocks on the disk.
    ///
    /// - Throws: when it could not be written: nothing may be said to be of the epoch before ``saveIfUnsaved()`` goes well.
    public func begin(_ epoch: Epoch, span: Range<Int64>) throws(StoreError) {
        state.withLock { state in
            // Begun before, and perhaps not written then.
            guard epoch != state.table.last else { return }
            state.table.begin(epoch, at: span.upperBound)
            state.table.forget(before: span.lowerBound)
            state.isSaved = false
        }
        try saveIfUnsaved()
        state.withLock { $0.reign = epoch }
    }

    /// Takes note that this broker is the master no longer.
    public func endReign() { state.withLock { $0.reign = nil } }

    /// Takes over the table of the broker whose log is copied from now on. Blocks on the disk.
    public func adopt(_ table: EpochTable) throws(StoreError) {
        let before = self.table
        guard table != before else { return }
        state.withLock { ($0.table, $0.isSaved) = (table, false) }
        do throws(StoreError) { try saveIfUnsaved() } catch {
            // Nothing was copied yet: the log is still what the old table says.
            state.withLock { ($0.table, $0.isSaved) = (before, true) }
            throw error
        }
    }

    /// Writes what could not be written before.
    public func saveIfUnsaved() throws(StoreError) {
        var failure: StoreError?
        turn.withLock { _ in
            let (table, isSaved) = state.withLock { ($0.table, $0.isSaved) }
            if isSaved { return }
            do throws(StoreError) {
                try file.save(Array(table.text.utf8))
                state.withLock { if $0.table == table { $0.isSaved = true } }
            } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

extension EpochTable {
    private static let title = "seatrial epochs 1"

    /// The table as it is saved and sent: a title, for each epoch its number, mark and beginning, and a sum over all that.
    public var text: String {
        var text = Self.title + "\n"
        for entry in entries {
            text += "\(entry.epoch.number) \(String(entry.epoch.mark, radix: 16)) \(entry.start)\n"
        }
        return text + "sum \(Self.sum(text))\n"
    }

    /// Reads it; `nil` when it is none, or went bad.
    public init?(text: String) {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 3, lines.removeLast().isEmpty, let last = lines.popLast() else { return nil }
        let summed = lines.map { $0 + "\n" }.joined()
        guard last == "sum \(Self.sum(summed))", lines.removeFirst() == Self.title else { return nil }
        var entries: [Entry] = []
        for line in lines {
            let words = line.split(separator: " ", omittingEmptySubsequences: false)
            guard words.count == 3, let number = Int64(words[0]), let mark = UInt64(words[1], radix: 16),
                let start = Int64(words[2])
            else { return nil }
            entries.append(Entry(epoch: Epoch(number: number, mark: mark), start: start))
        }
        self.init(entries)
    }

    private static func sum(_ text: String) -> UInt32 { BodyChecksum.body(ByteBuffer(string: text)) }
}
