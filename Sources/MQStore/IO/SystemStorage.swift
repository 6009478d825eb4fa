import CStorage
import Glibc
import Synchronization
package import SystemPackage

/// The machine's own file systems.
package struct SystemStorage: StorageIO {
    /// The machine's; it has no state.
    package init() {}

    package func open(_ path: FilePath, _ access: StorageAccess) throws(StoreError) -> any StorageFile {
        try SystemFile(path, access)
    }

    package func names(in path: FilePath) throws(StoreError) -> [String] {
        guard let stream = opendir(path.string) else {
            if errno == ENOENT || errno == ENOTDIR { return [] }
            throw .system("opendir", path, Errno(rawValue: errno))
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    package func createDirectory(_ path: FilePath) throws(StoreError) -> [FilePath] {
        let parent = path.removingLastComponent()
        let holder = parent.isEmpty ? FilePath(".") : parent
        if mkdir(path.string, 0o755) == 0 { return [holder] }
        if errno == EEXIST { return [] }
        guard errno == ENOENT, !parent.isEmpty, parent != path else {
            throw .system("mkdir", path, Errno(rawValue: errno))
        }
        let above = try createDirectory(parent)
        if mkdir(path.string, 0o755) != 0 && errno != EEXIST { throw .system("mkdir", path, Errno(rawValue: errno)) }
        return above + [holder]
    }

    package func syncDirectory(_ path: FilePath) throws(StoreError) {
        let descriptor = Glibc.open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open", path, Errno(rawValue: errno)) }
        defer { close(descriptor) }
        if fsync(descriptor) != 0 { throw .system("fsync", path, Errno(rawValue: errno)) }
    }

    package func exists(_ path: FilePath) throws(StoreError) -> Bool {
        if access(path.string, F_OK) == 0 { return true }
        let cause = Errno(rawValue: errno)
        guard cause == .noSuchFileOrDirectory else { throw .system("access", path, cause) }
        return false
    }

    package func removeFile(_ path: FilePath) throws(StoreError) {
        if unlink(path.string) != 0 && errno != ENOENT { throw .system("unlink", path, Errno(rawValue: errno)) }
    }

    package func removeDirectory(_ path: FilePath) throws(StoreError) {
        if rmdir(path.string) != 0 && errno != ENOENT { throw .system("rmdir", path, Errno(rawValue: errno)) }
    }

    package func rename(_ path: FilePath, to target: FilePath) throws(StoreError) {
        if Glibc.rename(path.string, target.string) != 0 { throw .system("rename", path, Errno(rawValue: errno)) }
    }

    package func link(_ path: FilePath, as second: FilePath) throws(StoreError) {
        try removeFile(second)
        if Glibc.link(path.string, second.string) != 0 { throw .system("link", path, Errno(rawValue: errno)) }
    }

    package func lock(_ path: FilePath) throws(StoreError) -> any StorageLock { try SystemLock(path) }

    package func space(at path: FilePath) -> StorageSpace? {
        var status = statvfs()
        guard statvfs(path.string, &status) == 0 else { return nil }
        let unit = Int64(status.f_frsize)
        // What is kept for root counts as taken: an ordinary broker cannot write there.
        let kept = Int64(status.f_bfree) - Int64(status.f_bavail)
        return StorageSpace(
            totalBytes: (Int64(status.f_blocks) - kept) * unit, freeBytes: Int64(status.f_bavail) * unit)
    }

    package func tryWriting(in directory: FilePath, bytes: Int64) throws(StoreError) {
        let file = try SystemFile(namelessIn: directory)
        // Blocks, and not only the room for them: a quota is no part of `space(at:)`.
        try file.allocate(to: bytes)
        try file.write([1], at: 0)
        try file.sync()
    }
}

/// A file of the machine. Reads are `pread`, so that a read of a cut file ends early instead of raising SIGBUS.
final class SystemFile: StorageFile {
    let path: FilePath
    private let descriptor: CInt

    init(_ path: FilePath, _ access: StorageAccess) throws(StoreError) {
        self.path = path
        let flags = access == .read ? O_RDONLY : O_RDWR | O_CREAT
        descriptor = Glibc.open(path.string, flags | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("open", path, Errno(rawValue: errno)) }
    }

    /// A file that is gone when it is closed. A file system that makes none without a name gives one for a moment.
    init(namelessIn directory: FilePath) throws(StoreError) {
        path = directory.appending("probe")
        let nameless = storage_open_nameless(directory.string)
        if nameless >= 0 {
            descriptor = nameless
            return
        }
        guard [EOPNOTSUPP, EISDIR, EINVAL, ENOENT].contains(errno) else {
            throw .system("open", directory, Errno(rawValue: errno))
        }
        descriptor = Glibc.open(path.string, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("open", path, Errno(rawValue: errno)) }
        unlink(path.string)
    }

    deinit { close(descriptor) }

    func size() throws(StoreError) -> Int64 {
        var status = stat()
        if fstat(descriptor, &status) != 0 { throw .system("fstat", path, Errno(rawValue: errno)) }
        return Int64(status.st_size)
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(StoreError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(
                descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, Int(offset) + done)
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("pwrite", path, Errno(rawValue: errno))
            }
            done += count
        }
    }

    func read(into target: UnsafeMutableRawBufferPointer, at offset: Int64) throws(StoreError) -> Int {
        var done = 0
        while done < target.count {
            let count = pread(
                descriptor, target.baseAddress.map { $0 + done }, target.count - done, Int(offset) + done)
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("pread", path, Errno(rawValue: errno))
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    func resize(to size: Int64) throws(StoreError) {
        if ftruncate(descriptor, Int(size)) != 0 {
            throw .system("ftruncate to \(size)", path, Errno(rawValue: errno))
        }
    }

    func allocate(to size: Int64) throws(StoreError) {
        let status = storage_allocate(descriptor, size)
        if status != 0 && status != EOPNOTSUPP { throw .system("fallocate", path, Errno(rawValue: status)) }
    }

    func sync() throws(StoreError) {
        while fdatasync(descriptor) != 0 {
            if errno != EINTR { throw .system("fdatasync", path, Errno(rawValue: errno)) }
        }
    }

    func nextData(from offset: Int64) throws(StoreError) -> Int64? {
        let found = lseek(descriptor, Int(offset), Self.seekData)
        if found >= 0 { return Int64(found) }
        // A file system that knows nothing of holes: everything may be data.
        return errno == ENXIO ? nil : offset
    }

    /// `SEEK_DATA`, which glibc shows to those only who ask for its extensions.
    private static let seekData: CInt = 3
}

/// A lock of the kernel's, which ends with the process.
final class SystemLock: StorageLock {
    private let descriptor: Mutex<CInt>

    /// Takes the lock or says that another process holds it.
    init(_ path: FilePath) throws(StoreError) {
        let opened = Glibc.open(path.string, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard opened >= 0 else { throw .system("open", path, Errno(rawValue: errno)) }
        // RocketMQ's lock, and besides that the only one that an older broker of ours sees: they do not see each other.
        var failed = storage_lock(opened)
        if failed == 0, flock(opened, LOCK_EX | LOCK_NB) != 0 { failed = errno }
        guard failed == 0 else {
            close(opened)
            if failed == EWOULDBLOCK || failed == EACCES {
                throw StoreError(
                    .locked, path: path, message: "another broker has it open; stop it or set storePathRootDir")
            }
            throw .system("lock", path, Errno(rawValue: failed))
        }
        descriptor = Mutex(opened)
    }

    deinit { release() }

    func release() {
        descriptor.withLock { descriptor in
            if descriptor >= 0 { close(descriptor) }
            descriptor = -1
        }
    }
}
