import Glibc
import SystemPackage

/// Reading and replacing small files, with the path in each error.
enum HostFiles {
    /// The whole of a file, also of those in `/proc` whose size is unknown; nil when it can't be read.
    static func read(_ path: FilePath) -> [UInt8]? {
        let descriptor = open(path.string, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return count == 0 ? bytes : nil }
            bytes.append(contentsOf: piece[..<count])
        }
    }

    /// The whole of a file as text.
    static func text(_ path: FilePath) -> String? {
        read(path).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Writes a file beside the path and renames it there.
    static func replace(_ path: FilePath, _ bytes: [UInt8], mode: mode_t) throws(LocalHostsError) {
        let new = path.string + ".new"
        unlink(new)
        let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failure("create", new) }
        defer { close(descriptor) }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + done, bytes.count - done) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw failure("write", new) }
            done += count
        }
        guard rename(new, path.string) == 0 else { throw failure("replace", path.string) }
    }

    /// Makes a directory and those above it.
    static func makeDirectory(_ path: FilePath, mode: mode_t = 0o755) throws(LocalHostsError) {
        if mkdir(path.string, mode) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, path.removingLastComponent() != path else { throw failure("make", path.string) }
        try makeDirectory(path.removingLastComponent())
        guard mkdir(path.string, mode) == 0 || errno == EEXIST else { throw failure("make", path.string) }
    }

    /// The names in a directory; none when it is not there.
    static func names(_ path: FilePath) -> [String] {
        guard let directory = opendir(path.string) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    /// Removes a file; none is no error.
    static func remove(_ path: FilePath) { unlink(path.string) }

    /// Whether anything is there.
    static func exists(_ path: FilePath) -> Bool { access(path.string, F_OK) == 0 }

    /// An error that names the deed, the path and the system's reason.
    static func failure(_ deed: String, _ path: String) -> LocalHostsError {
        LocalHostsError(.state, "\(path): can't \(deed) it: \(String(cString: strerror(errno)))")
    }
}
