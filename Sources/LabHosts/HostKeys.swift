import Glibc
import SystemPackage

/// The lab's ed25519 keys: the client's and one for each host. They are made once and kept over `down`.
struct HostKeys: Sendable {
    let directory: FilePath

    /// The client's private key.
    var client: FilePath { directory.appending("client_ed25519") }
    /// A host's private key.
    func host(_ name: String) -> FilePath { directory.appending("\(name)_ed25519") }

    /// Makes the keys that are missing, all at once.
    func prepare(hosts: [String]) throws(LocalHostsError) {
        try HostFiles.makeDirectory(directory, mode: 0o700)
        var running: [(HostProgram, FilePath)] = []
        for (path, comment) in [(client, "seatrial")] + hosts.map({ (host($0), $0) })
        where !HostFiles.exists(path) || !HostFiles.exists(FilePath(path.string + ".pub")) {
            let new = FilePath(path.string + ".new")
            unlink(new.string)
            unlink(new.string + ".pub")
            running.append(
                (
                    try HostProgram.start([
                        "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", new.string,
                    ]), path
                ))
        }
        for (program, path) in running {
            try program.finish()
            // The public half first: a private key that is there has its other half.
            for suffix in [".pub", ""] {
                guard rename(path.string + ".new" + suffix, path.string + suffix) == 0 else {
                    throw HostFiles.failure("replace", path.string + suffix)
                }
            }
        }
    }

    /// A key's text.
    static func text(_ path: FilePath) throws(LocalHostsError) -> String {
        guard let text = HostFiles.text(path) else { throw HostFiles.failure("read", path.string) }
        return text
    }
}
