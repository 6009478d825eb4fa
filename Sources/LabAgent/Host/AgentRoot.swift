import Glibc
import SystemPackage

/// The one directory an agent works in; no path of a request leads out of it.
///
/// Each path is walked one component at a time with `O_NOFOLLOW`, so that neither `..` nor a symbolic link that
/// somebody puts in the way while we walk can lead elsewhere.
struct AgentRoot: Sendable {
    /// How deep a tree may be that is removed.
    static let depthLimit = 200

    /// The directory's real path.
    let path: FilePath

    /// Makes the directory if need be and resolves its path.
    init(_ path: FilePath) throws(AgentFailure) {
        guard path.isAbsolute, path.lexicallyNormalized() != "/" else {
            throw AgentFailure(.badRequest, "the agent's root '\(path)' must be an absolute path, and not '/'")
        }
        var made = FilePath("/")
        for component in path.lexicallyNormalized().components {
            made.append(component)
            guard mkdir(made.string, 0o755) == 0 || errno == EEXIST || errno == EROFS else {
                throw AgentRoot.failure("make", made.string)
            }
        }
        guard let real = realpath(path.string, nil) else { throw AgentRoot.failure("find", path.string) }
        defer { free(real) }
        self.path = FilePath(String(cString: real))
    }

    /// The components of a path below the root. Pure: nothing is looked up.
    func components(_ text: String) throws(AgentFailure) -> [String] {
        guard !text.utf8.contains(0), text.utf8.count < Int(PATH_MAX) else {
            throw AgentFailure(.badRequest, "a path of \(text.utf8.count) bytes, or with a zero byte in it")
        }
        var rest = Substring(text)
        if text.hasPrefix("/") {
            guard text == path.string || text.hasPrefix(path.string + "/") else {
                throw AgentFailure(.pathEscape, "'\(text)' is outside the agent's root \(path)")
            }
            rest = text.dropFirst(path.string.count)
        }
        let parts = rest.split(separator: "/").map(String.init).filter { $0 != "." }
        guard !parts.contains("..") else {
            throw AgentFailure(.pathEscape, "'\(text)' leads upwards, out of the agent's root \(path)")
        }
        return parts
    }

    /// The absolute path of a request's path, for messages and for programs' arguments.
    func absolute(_ text: String) throws(AgentFailure) -> String {
        ([path.string] + (try components(text))).joined(separator: "/")
    }

    /// A descriptor of a directory below the root, made on the way if asked for. The caller closes it.
    func directory(_ parts: [String], of text: String, create: Bool = false) throws(AgentFailure) -> CInt {
        var current = open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard current >= 0 else { throw AgentRoot.failure("open", path.string) }
        for part in parts {
            if create, mkdirat(current, part, 0o755) != 0, errno != EEXIST {
                let failure = AgentRoot.failure("make '\(part)' of", text)
                close(current)
                throw failure
            }
            let next = openat(current, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            let failure = AgentRoot.failure("open '\(part)' of", text)
            close(current)
            guard next >= 0 else { throw failure }
            current = next
        }
        return current
    }

    /// A descriptor of the directory that holds the path's last component, and that component.
    func parent(_ text: String, create: Bool = false) throws(AgentFailure) -> (descriptor: CInt, name: String) {
        let parts = try components(text)
        guard let last = parts.last else {
            throw AgentFailure(.badRequest, "'\(text)' names the agent's root itself; name something below it")
        }
        return (try directory(Array(parts.dropLast()), of: text, create: create), last)
    }

    /// Opens a file below the root.
    func openFile(_ text: String, _ flags: CInt, create: Bool = false) throws(AgentFailure) -> CInt {
        let (descriptor, name) = try parent(text, create: create)
        defer { close(descriptor) }
        let file = openat(descriptor, name, flags | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw AgentRoot.failure("open", text) }
        return file
    }

    /// The failure for the current `errno`; a link in the way is an escape.
    static func failure(_ deed: String, _ given: String) -> AgentFailure {
        let reason = errno
        let path = given.isEmpty ? "the lab's folder" : given
        switch reason {
        case ELOOP: return AgentFailure(.pathEscape, "'\(path)': a symbolic link is in the way, which is not followed")
        case ENOENT: return AgentFailure(.notFound, "'\(path)' is not there")
        default: return AgentFailure(.system, "can't \(deed) '\(path)': \(String(cString: strerror(reason)))")
        }
    }
}
