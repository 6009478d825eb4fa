import Logging
import MQStore
import MQWire
import NIOCore
import Synchronization
import SystemPackage

/// The broker's tables on disk, in RocketMQ's places.
struct BrokerTables: Sendable {
    let topics: SavedTable
    let offsets: SavedTable
    let groups: SavedTable
    let delays: SavedTable

    init(directory: FilePath) {
        topics = SavedTable(directory.appending("topics.json"))
        offsets = SavedTable(directory.appending("consumerOffset.json"))
        groups = SavedTable(directory.appending("subscriptionGroup.json"))
        delays = SavedTable(directory.appending("delayOffset.json"))
    }
}

/// One table's file; saving is serial, so that an older state never overtakes a newer one.
final class SavedTable: Sendable {
    private let file: ReplacedFile
    private let turn = Mutex<Void>(())

    init(_ path: FilePath) { file = ReplacedFile(path) }

    /// What was saved last, as `table` reads it; `nil` when nothing was.
    ///
    /// A file that is no table is put aside, and the one before it taken. Throws when that cannot be read either.
    func load<Table>(_ logger: Logger, _ table: (JSONValue) throws -> Table) throws -> Table? {
        try file.load { bytes in
            let json = try JSONValue(parsing: ByteBuffer(bytes: bytes))
            // A table without members is no sign of a file that is none: its contents would be lost in silence.
            guard json.objectValue != nil else { throw NoTable() }
            return try table(json)
        } takingBackup: { reason in
            logger.error(
                "a broken table was put aside, and its backup taken",
                metadata: [
                    "file": "\(file.path)", "backup": "\(file.path).bak", "aside": "\(file.path).broken",
                    "error": "\(reason)",
                ])
        }
    }

    private struct NoTable: Error, CustomStringConvertible {
        var description: String { "JSON, but no object" }
    }

    /// Saves what `current` gives when it is this call's turn; `false` after a failure, which is logged.
    ///
    /// Whoever keeps note of what is saved must take the note back then, or the change waits for the next one.
    @discardableResult
    func save(_ current: () -> JSONValue, logger: Logger) -> Bool {
        turn.withLock { _ in
            do {
                try file.save(Array(current().encoded().readableBytesView))
                return true
            } catch {
                logger.error(
                    "a table could not be saved", metadata: ["file": "\(file.path)", "error": "\(error)"])
                return false
            }
        }
    }
}
