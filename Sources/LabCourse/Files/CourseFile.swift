import Glibc
import SystemPackage

/// Reads small text files that others wrote, without being led astray.
///
/// A submission may be hostile: no symbolic link is followed for its last component, only a regular file is read
/// (a pipe would block, a device would not end), and never more than a limit.
enum CourseFile {
    /// A `lab.yaml` or a guide is larger than this only by mistake.
    static let maximumLabBytes = 1 << 20
    /// An `answers.yaml` holds a handful of lines.
    static let maximumSubmissionBytes = 64 * 1024
    /// A folder of labs or of submissions lists so many entries at most.
    static let maximumEntries = 10_000

    /// The text of `folder/name`; `name` is one component and is not followed when it is a link.
    /// - Parameter isStrangers: the folder is somebody's submission, which must not be a link to another's.
    static func text(
        _ name: String, in folder: FilePath, limit: Int, isStrangers: Bool = false
    ) throws(CourseError) -> String {
        let shown = folder.appending(name).string
        guard FilePath.Component(name) != nil, !name.contains("/"), name != "..", name != "." else {
            throw CourseError(.notAFile, file: shown, "'\(name)' is not the name of a file in this folder")
        }
        let place = try open(folder, followsLinks: !isStrangers)
        defer { close(place) }
        let descriptor = openat(place, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw cannotOpen(shown, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw CourseError(.notAFile, file: shown, "it is no regular file; put a plain file there")
        }
        return try read(descriptor, shown, limit: limit)
    }

    private static func open(_ folder: FilePath, followsLinks: Bool) throws(CourseError) -> Int32 {
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (followsLinks ? 0 : O_NOFOLLOW)
        let place = folder.withPlatformString { Glibc.open($0, flags) }
        guard place < 0 else { return place }
        let code = errno
        var status = stat()
        let isLink =
            folder.withPlatformString { lstat($0, &status) } == 0 && status.st_mode & S_IFMT == S_IFLNK
        throw isLink && !followsLinks
            ? CourseError(.notAFile, file: folder.string, "it is a symbolic link; name the folder itself")
            : cannotOpen(folder.string, code)
    }

    private static func read(_ descriptor: Int32, _ shown: String, limit: Int) throws(CourseError) -> String {
        // One byte more than the limit tells a file that is too large from one that just fits.
        var bytes = [UInt8](repeating: 0, count: limit + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { buffer in
                Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, buffer.count - count)
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw cannotOpen(shown, errno) }
            if got == 0 { break }
            count += got
        }
        guard count <= limit else {
            throw CourseError(.tooLarge, file: shown, "it has more than the \(limit) bytes allowed; shorten it")
        }
        guard let text = String(validating: bytes[..<count], as: UTF8.self) else {
            throw CourseError(.unreadableFile, file: shown, "it is not UTF-8 text; save it as UTF-8")
        }
        return text
    }

    /// Names of the entries of a folder, sorted, without those that begin with a dot.
    static func entries(of folder: FilePath) throws(CourseError) -> [String] {
        guard let stream = folder.withPlatformString({ opendir($0) }) else {
            throw cannotOpen(folder.string, errno)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard !name.hasPrefix(".") else { continue }
            names.append(name)
            guard names.count <= maximumEntries else {
                throw CourseError(.tooLarge, file: folder.string, "it has more than \(maximumEntries) entries")
            }
        }
        return names.sorted()
    }

    static func exists(_ path: FilePath) -> Bool {
        path.withPlatformString { access($0, F_OK) } == 0
    }

    private static func cannotOpen(_ shown: String, _ code: Int32) -> CourseError {
        switch code {
        case ENOENT, ENOTDIR: CourseError(.missingFile, file: shown, "there is no such file or folder; check the path")
        case ELOOP: CourseError(.notAFile, file: shown, "it is a symbolic link; put a plain file there")
        default: CourseError(.unreadableFile, file: shown, "it can't be read: \(Errno(rawValue: code))")
        }
    }
}
