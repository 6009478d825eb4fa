import Glibc
public import SystemPackage

/// A small file that is always whole: written beside its place, synced, then renamed into it.
///
/// What was there before stays as `name.bak`, and is read when the file itself is missing or empty, as RocketMQ's
/// `ConfigManager` does. One thread at a time writes a given file.
public struct ReplacedFile: Sendable {
    /// Where the file is.
    public let path: FilePath
    /// The most bytes read; a file of tables this large is not one of ours.
    public static let maximumBytes = 64 << 20

    /// A file at this path; nothing is opened yet.
    public init(_ path: FilePath) { self.path = path }

    private var backup: FilePath { sibling("bak") }

    private func sibling(_ suffix: String) -> FilePath {
        path.removingLastComponent().appending((path.lastComponent?.string ?? "file") + "." + suffix)
    }

    /// The bytes of the file, else of its backup; `nil` when neither has any.
    public func load() throws(StoreError) -> [UInt8]? {
        if let bytes = try Self.read(path), !bytes.isEmpty { return bytes }
        if let bytes = try Self.read(backup), !bytes.isEmpty { return bytes }
        return nil
    }

    /// Replaces the file by these bytes; afterwards either the old or the new ones are there, whatever happens.
    public func save(_ bytes: [UInt8]) throws(StoreError) {
        try Directory.create(path.removingLastComponent())
        let fresh = sibling("tmp")
        let descriptor = open(fresh.string, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("open", fresh, Errno(rawValue: errno)) }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                write(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            if count < 0 && errno == EINTR { continue }
            if count <= 0 {
                let cause = Errno(rawValue: errno)
                close(descriptor)
                throw .system("write", fresh, cause)
            }
            done += count
        }
        let synced = fdatasync(descriptor) == 0
        let cause = Errno(rawValue: errno)
        close(descriptor)
        if !synced { throw .system("fdatasync", fresh, cause) }
        unlink(backup.string)
        // A hard link keeps the old file under both names until the rename, so that no moment is without one.
        _ = link(path.string, backup.string)
        if rename(fresh.string, path.string) != 0 { throw .system("rename", path, Errno(rawValue: errno)) }
        try Directory.sync(path.removingLastComponent())
    }

    static func read(_ path: FilePath) throws(StoreError) -> [UInt8]? {
        let descriptor = open(path.string, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw .system("open", path, Errno(rawValue: errno))
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count <= maximumBytes {
            let count = chunk.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            if count < 0 { throw .system("read", path, Errno(rawValue: errno)) }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
        }
        throw StoreError(.layout, path: path, message: "larger than \(maximumBytes) bytes; it is no table of ours")
    }
}
