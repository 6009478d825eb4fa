public import SystemPackage

/// A small file that is always whole: written beside its place, synced, then renamed into it.
///
/// What was there before stays as `name.bak`, and is read when the file itself is missing, empty or broken, as RocketMQ's
/// `ConfigManager` does. One thread at a time writes a given file.
public struct ReplacedFile: Sendable {
    /// Where the file is.
    public let path: FilePath
    private let io: any StorageIO
    private let keepsBackup: Bool

    /// The most bytes read; a file of tables this large is not one of ours.
    public static let maximumBytes = 64 << 20

    /// A file at this path; nothing is opened yet.
    public init(_ path: FilePath) { self.init(path, io: SystemStorage()) }

    init(_ path: FilePath, io: any StorageIO, keepsBackup: Bool = true) {
        self.path = path
        self.io = io
        self.keepsBackup = keepsBackup
    }

    private var backup: FilePath { sibling("bak") }

    private func sibling(_ suffix: String) -> FilePath {
        path.removingLastComponent().appending((path.lastComponent?.string ?? "file") + "." + suffix)
    }

    /// The bytes of the file, else of its backup; `nil` when neither has any.
    public func load() throws(StoreError) -> [UInt8]? {
        if let bytes = try io.readAll(path, limit: Self.maximumBytes), !bytes.isEmpty { return bytes }
        guard keepsBackup else { return nil }
        if let bytes = try io.readAll(backup, limit: Self.maximumBytes), !bytes.isEmpty { return bytes }
        return nil
    }

    /// What `parse` makes of the file, else of its backup; `nil` when there is neither.
    ///
    /// A file that `parse` throws at is put aside as `name.broken`: the next save would make it the backup.
    ///
    /// - Parameter takingBackup: told why, when the backup is taken although the file is there.
    /// - Throws: ``StoreError`` with ``StoreError/Code/broken`` when nothing there can be used.
    public func load<Value>(
        parse: ([UInt8]) throws -> Value, takingBackup: (any Error) -> Void
    ) throws -> Value? {
        guard let bytes = try io.readAll(path, limit: Self.maximumBytes), !bytes.isEmpty else {
            return try load().map { old in
                do { return try parse(old) } catch { throw broken(backup, error, "\(path) is missing or empty") }
            }
        }
        let reason: any Error
        do { return try parse(bytes) } catch { reason = error }
        guard keepsBackup, let old = try io.readAll(backup, limit: Self.maximumBytes), !old.isEmpty else {
            throw broken(path, reason, "there is no backup \(backup)")
        }
        let value: Value
        do { value = try parse(old) } catch { throw broken(path, reason, "its backup \(backup) is broken, too") }
        takingBackup(reason)
        try io.rename(path, to: sibling("broken"))
        return value
    }

    private func broken(_ path: FilePath, _ reason: any Error, _ backup: String) -> StoreError {
        StoreError(
            .broken, path: path,
            message: "\(reason); \(backup). Put a sound copy in its place, or move it away with its backup to start "
                + "without what it holds")
    }

    /// Replaces the file by these bytes; afterwards either the old or the new ones are there, whatever happens.
    public func save(_ bytes: [UInt8]) throws(StoreError) {
        try io.createDirectoryDurably(path.removingLastComponent())
        let fresh = sibling("tmp")
        let file = try io.open(fresh, .write)
        // What an interrupted save left there may be longer.
        try file.resize(to: 0)
        try file.write(bytes, at: 0)
        try file.sync()
        // A hard link keeps the old file under both names until the rename, so that no moment is without one. A backup
        // that cannot be made must not keep the new state from the disk, nor the old backup be given up for none.
        if keepsBackup, (try? io.exists(path)) == true { try? io.link(path, as: backup) }
        try io.rename(fresh, to: path)
        try io.syncDirectory(path.removingLastComponent())
    }
}
