import Glibc
import MQWire
import NIOCore
import SystemPackage

/// The key-value store's file: written beside its place, synced, then renamed into it, so that it is always whole.
struct KeyValueFile: Sendable {
    let path: FilePath

    /// A longer file is none of ours: the store has 10,000 entries at most.
    private static let limitBytes = 64 << 20

    /// Why the file cannot be used; names it and the way out.
    struct Trouble: Error, CustomStringConvertible {
        let description: String
    }

    /// What was saved last; `nil` when nothing was.
    func load() throws(Trouble) -> JSONValue? {
        let bytes: [UInt8]
        do {
            let file = try SystemPackage.FileDescriptor.open(path, .readOnly, options: [.closeOnExec])
            bytes = try file.closeAfter { try Self.readAll(file) }
        } catch Errno.noSuchFileOrDirectory {
            return nil
        } catch {
            throw Trouble(description: "\(path): cannot be read: \(error) (kvConfigPath names it)")
        }
        guard !bytes.isEmpty else { return nil }
        do throws(JSONError) {
            return try JSONValue(parsing: ByteBuffer(bytes: bytes))
        } catch {
            throw Trouble(description: "\(path): \(error) (mend or remove the file; kvConfigPath names it)")
        }
    }

    private static func readAll(_ file: SystemPackage.FileDescriptor) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count <= limitBytes {
            let count = try chunk.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
        throw Errno.fileTooLarge
    }

    /// Replaces the file; whoever is told that it is done finds it after a power loss. Blocks on the disk.
    func save(_ value: JSONValue) throws(Trouble) {
        do {
            let folder = path.removingLastComponent()
            if !folder.isEmpty { mkdir("\(folder)", 0o755) }
            let fresh = FilePath("\(path).tmp")
            let file = try SystemPackage.FileDescriptor.open(
                fresh, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: [.ownerReadWrite])
            try file.closeAfter {
                _ = try file.writeAll(value.encoded().readableBytesView)
                guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
            guard rename("\(fresh)", "\(path)") == 0 else { throw Errno(rawValue: errno) }
            let directory = try SystemPackage.FileDescriptor.open(
                folder.isEmpty ? "." : folder, .readOnly, options: [.directory, .closeOnExec])
            try directory.closeAfter {
                guard fsync(directory.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
        } catch {
            throw Trouble(description: "\(path): cannot be written: \(error)")
        }
    }
}
