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

    /// Makes the client's key, or its public half, when it is missing or can't be read as a key.
    /// - Returns: whether anything had to be made.
    func prepareClient() throws(LocalHostsError) -> Bool {
        try HostFiles.makeDirectory(directory, mode: 0o700)
        guard let right = try publicHalf(of: client) else {
            unlink(client.string)
            try prepare(hosts: [])
            return true
        }
        return try replacePublicHalf(of: client, by: right)
    }

    /// Takes over the private key that a running host serves.
    /// - Returns: whether ours was another or missing. A text that is no key is not taken.
    func adopt(_ privateKey: String, for host: String) throws(LocalHostsError) -> Bool {
        let path = self.host(host)
        if HostFiles.text(path) == privateKey, HostFiles.exists(FilePath(path.string + ".pub")) { return false }
        let new = FilePath(path.string + ".served")
        defer { unlink(new.string) }
        try HostFiles.replace(new, Array(privateKey.utf8), mode: 0o600)
        guard let right = try publicHalf(of: new) else { return false }
        // The public half first, as in `prepare`.
        _ = try replacePublicHalf(of: path, by: right)
        try HostFiles.replace(path, Array(privateKey.utf8), mode: 0o600)
        return true
    }

    /// What `ssh-keygen` derives from a private key; nil when there is none, or it is none.
    private func publicHalf(of path: FilePath) throws(LocalHostsError) -> String? {
        guard HostFiles.exists(path) else { return nil }
        let (status, text) = try HostProgram.start(
            ["ssh-keygen", "-y", "-P", "", "-f", path.string], keepsOutput: true
        )
        .finishAnyhow()
        return status == 0 && text.hasPrefix("ssh-") ? text + "\n" : nil
    }

    /// - Returns: whether it was another or missing; a comment makes no difference.
    private func replacePublicHalf(of path: FilePath, by text: String) throws(LocalHostsError) -> Bool {
        let place = FilePath(path.string + ".pub")
        let (old, new) = (HostFiles.text(place) ?? "", text)
        guard old.split(separator: " ").prefix(2).joined() != new.split(separator: " ").prefix(2).joined() else {
            return false
        }
        try HostFiles.replace(place, Array(new.utf8), mode: 0o644)
        return true
    }

    /// A key's text.
    static func text(_ path: FilePath) throws(LocalHostsError) -> String {
        guard let text = HostFiles.text(path) else { throw HostFiles.failure("read", path.string) }
        return text
    }
}
