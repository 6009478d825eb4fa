import FoundationEssentials
import Glibc
import SystemPackage

/// Work on files below the root.
extension AgentRoot {
    /// A piece of a file; a negative offset counts from the end.
    func read(_ path: String, offset: Int64, limit: Int) throws(AgentFailure) -> FileChunk {
        guard (0...AgentLimits.chunkBytes).contains(limit) else {
            throw AgentFailure(.badRequest, "'\(path)': a piece of \(limit) bytes; at most \(AgentLimits.chunkBytes)")
        }
        // A FIFO would block without O_NONBLOCK.
        let file = try openFile(path, O_RDONLY | O_NONBLOCK)
        defer { close(file) }
        var info = stat()
        guard fstat(file, &info) == 0 else { throw AgentRoot.failure("look at", path) }
        guard info.st_mode & S_IFMT == S_IFREG else { throw AgentFailure(.badRequest, "'\(path)' is no plain file") }
        let size = Int64(info.st_size)
        let start = offset < 0 ? max(0, size + offset) : offset
        var bytes = [UInt8](repeating: 0, count: max(0, min(limit, Int(min(size - start, Int64(limit))))))
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                pread(file, buffer.baseAddress! + done, buffer.count - done, off_t(start) + off_t(done))
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw AgentRoot.failure("read", path) }
            if count == 0 { break }
            done += count
        }
        bytes.removeLast(bytes.count - done)
        return FileChunk(offset: start, content: AgentBytes(bytes), fileSize: size)
    }

    /// Replaces a file in one step: written beside it, synced, renamed, the directory synced.
    func write(_ path: String, _ bytes: [UInt8], mode: UInt32) throws(AgentFailure) {
        guard bytes.count <= AgentLimits.writeBytes else {
            throw AgentFailure(
                .badRequest, "'\(path)': \(bytes.count) bytes; at most \(AgentLimits.writeBytes), send larger over SFTP"
            )
        }
        let (directory, name) = try parent(path, create: true)
        defer { close(directory) }
        let new = ".\(name).new.\(getpid())"
        unlinkat(directory, new, 0)
        let file = openat(directory, new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode_t(mode & 0o7777))
        guard file >= 0 else { throw AgentRoot.failure("create", path) }
        var isReplaced = false
        defer {
            close(file)
            // On a full disk, half a file would keep the room that it took.
            if !isReplaced { unlinkat(directory, new, 0) }
        }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress! + done, bytes.count - done) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw AgentRoot.failure("write", path) }
            done += count
        }
        guard fchmod(file, mode_t(mode & 0o7777)) == 0, fsync(file) == 0,
            renameat(directory, new, directory, name) == 0, fsync(directory) == 0
        else { throw AgentRoot.failure("replace", path) }
        isReplaced = true
    }

    /// Removes a file or a tree; nothing there is no error.
    func remove(_ path: String) throws(AgentFailure) {
        let holder: (descriptor: CInt, name: String)
        do { holder = try parent(path) } catch  where error.code == .notFound { return }
        defer { close(holder.descriptor) }
        try AgentRoot.remove(holder.name, in: holder.descriptor, path, depth: 0)
    }

    /// Removes what is in a directory, not the directory.
    func empty(_ path: String) throws(AgentFailure) {
        let directory = try directory(components(path), of: path)
        defer { close(directory) }
        for entry in try AgentRoot.names(directory, path) { try AgentRoot.remove(entry, in: directory, path, depth: 0) }
    }

    /// Removes the root with all that is in it.
    func removeAll() throws(AgentFailure) {
        try empty("")
        // Refused where the root is a mount point or its parent is read-only; an empty directory is good enough then.
        rmdir(path.string)
    }

    /// The entries of a directory, sorted by name.
    func list(_ path: String) throws(AgentFailure) -> [DirectoryEntry] {
        let directory = try directory(components(path), of: path)
        defer { close(directory) }
        var entries: [DirectoryEntry] = []
        for name in try AgentRoot.names(directory, path) {
            var info = stat()
            guard fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            let kind: DirectoryEntry.Kind =
                switch info.st_mode & S_IFMT {
                case S_IFREG: .file
                case S_IFDIR: .directory
                case S_IFLNK: .link
                default: .other
                }
            entries.append(.init(name: name, kind: kind, size: Int64(info.st_size)))
            guard entries.count <= AgentLimits.directoryEntries else {
                throw AgentFailure(.badRequest, "'\(path)' has more than \(AgentLimits.directoryEntries) entries")
            }
        }
        return entries.sorted { $0.name < $1.name }
    }

    /// A Codable value of a small file; nil when there is none.
    func load<T: Decodable>(_ type: T.Type, _ path: String) throws(AgentFailure) -> T? {
        let chunk: FileChunk
        do { chunk = try read(path, offset: 0, limit: AgentLimits.chunkBytes) } catch  where error.code == .notFound {
            return nil
        }
        do { return try JSONDecoder().decode(type, from: Data(chunk.content.bytes)) } catch {
            throw AgentFailure(.system, "'\(path)' holds no \(type); remove it to go on: \(error)")
        }
    }

    /// Replaces a small file by a Codable value, synced.
    func save(_ value: some Encodable, _ path: String) throws(AgentFailure) {
        let data: Data
        do { data = try JSONEncoder().encode(value) } catch {
            throw AgentFailure(.system, "'\(path)' can't be written as JSON: \(error)")
        }
        try write(path, Array(data), mode: 0o600)
    }

    /// Bytes of a spare: a record with a long message in it fits.
    private static let spareBytes = 4096

    /// Makes a file whose block is written already, so that a value can be saved into it when no block is free.
    func reserve(_ spare: String) throws(AgentFailure) {
        try write(spare, [UInt8](repeating: UInt8(ascii: " "), count: Self.spareBytes), mode: 0o600)
    }

    /// Replaces a small file by a Codable value as `save` does, with the block of a spare, which is gone then.
    func save(_ value: some Encodable, _ path: String, into spare: String) throws(AgentFailure) {
        var bytes: [UInt8]
        do { bytes = Array(try JSONEncoder().encode(value)) } catch {
            throw AgentFailure(.system, "'\(path)' can't be written as JSON: \(error)")
        }
        guard bytes.count <= Self.spareBytes else {
            throw AgentFailure(
                .system, "'\(path)': \(bytes.count) bytes do not fit the \(Self.spareBytes) of its spare")
        }
        // Spaces behind a JSON text are none of it.
        bytes += [UInt8](repeating: UInt8(ascii: " "), count: Self.spareBytes - bytes.count)
        let (from, name) = try parent(spare)
        defer { close(from) }
        let (to, newName) = try parent(path)
        defer { close(to) }
        let file = openat(from, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else { throw AgentRoot.failure("open", spare) }
        defer { close(file) }
        guard pwrite(file, bytes, bytes.count, 0) == bytes.count, fsync(file) == 0,
            renameat(from, name, to, newName) == 0, fsync(to) == 0
        else { throw AgentRoot.failure("replace", path) }
    }

    /// Runs `body` holding an exclusive lock that the kernel releases when this process dies.
    func locked<T>(_ path: String, _ body: () throws(AgentFailure) -> T) throws(AgentFailure) -> T {
        let file = try openFile(path, O_RDWR | O_CREAT, create: true)
        defer { close(file) }
        while flock(file, LOCK_EX) != 0 {
            guard errno == EINTR else { throw AgentRoot.failure("lock", path) }
        }
        return try body()
    }

    private static func names(_ directory: CInt, _ path: String) throws(AgentFailure) -> [String] {
        let copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else { throw failure("read", path) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    private static func remove(_ name: String, in parent: CInt, _ path: String, depth: Int) throws(AgentFailure) {
        guard depth < depthLimit else { throw AgentFailure(.system, "'\(path)' is deeper than \(depthLimit) levels") }
        if unlinkat(parent, name, 0) == 0 || errno == ENOENT { return }
        guard errno == EISDIR || errno == EPERM else { throw failure("remove", path) }
        let directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard directory >= 0 else { throw failure("remove", path) }
        defer { close(directory) }
        for entry in try names(directory, path) { try remove(entry, in: directory, path, depth: depth + 1) }
        guard unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT else { throw failure("remove", path) }
    }
}
