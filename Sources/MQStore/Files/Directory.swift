import Glibc
import SystemPackage

/// The few directory operations that a store needs, with typed errors.
enum Directory {
    /// The names in `path` without `.` and `..`, sorted; none when it does not exist.
    static func names(in path: FilePath) throws(StoreError) -> [String] {
        guard let stream = opendir(path.string) else {
            if errno == ENOENT { return [] }
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

    /// Makes `path` and what is missing above it.
    static func create(_ path: FilePath) throws(StoreError) {
        if mkdir(path.string, 0o755) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, !path.removingLastComponent().isEmpty, path.removingLastComponent() != path else {
            throw .system("mkdir", path, Errno(rawValue: errno))
        }
        try create(path.removingLastComponent())
        if mkdir(path.string, 0o755) != 0 && errno != EEXIST { throw .system("mkdir", path, Errno(rawValue: errno)) }
    }

    /// Makes an empty file unless it is there, durably.
    static func touch(_ path: FilePath) throws(StoreError) {
        let descriptor = open(path.string, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("open", path, Errno(rawValue: errno)) }
        close(descriptor)
        try sync(path.removingLastComponent())
    }

    /// Makes the names in `path` durable.
    static func sync(_ path: FilePath) throws(StoreError) {
        let descriptor = open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open", path, Errno(rawValue: errno)) }
        defer { close(descriptor) }
        if fsync(descriptor) != 0 { throw .system("fsync", path, Errno(rawValue: errno)) }
    }

    /// Removes one file; one that is not there is no error.
    static func removeFile(_ path: FilePath) throws(StoreError) {
        if unlink(path.string) != 0 && errno != ENOENT { throw .system("unlink", path, Errno(rawValue: errno)) }
    }

    /// Removes a directory of files and directories, `depth` levels at most.
    static func removeTree(_ path: FilePath, depth: Int = 3) throws(StoreError) {
        for name in try names(in: path) {
            let child = path.appending(name)
            var status = stat()
            if lstat(child.string, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, depth > 0 {
                try removeTree(child, depth: depth - 1)
            } else {
                try removeFile(child)
            }
        }
        if rmdir(path.string) != 0 && errno != ENOENT { throw .system("rmdir", path, Errno(rawValue: errno)) }
    }

    /// Whether anything has this path.
    static func exists(_ path: FilePath) -> Bool {
        access(path.string, F_OK) == 0
    }

    /// The bytes free to an ordinary user on the file system of `path`; `nil` when it cannot be told.
    static func freeBytes(at path: FilePath) -> Int64? {
        var status = statvfs()
        guard statvfs(path.string, &status) == 0 else { return nil }
        return Int64(status.f_bavail) * Int64(status.f_frsize)
    }
}
