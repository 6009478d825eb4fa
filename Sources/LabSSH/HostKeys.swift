import Glibc
public import SystemPackage

/// Getting hosts' keys and keeping them: what `seatrial trust` is made of.
public enum HostKeys {
    /// The key that a host shows. Nothing is checked and nobody logs in.
    ///
    /// - Throws: `SSHError`, as `SSHSession.connect` does before it checks the key.
    public static func fetch(
        _ endpoint: SSHEndpoint, timeout: Duration = .seconds(10), proxy: SSHProxy? = nil
    ) async throws(SSHError) -> SSHHostKey {
        let configuration = SSHConfiguration(endpoint: endpoint, connectTimeout: timeout, proxy: proxy)
        return try await SSHSession.fetchHostKey(configuration)
    }

    /// What the given files say about a key that a host showed.
    public static func judge(_ key: SSHHostKey, knownHosts: [FilePath]) throws(SSHError) -> KnownHosts.Verdict {
        try load(knownHosts).judge(key)
    }

    /// Adds a key to the end of a `known_hosts` file, which is made (mode 0600) if it does not exist.
    ///
    /// - Throws: `SSHError` with `fileFailed`.
    public static func append(_ key: SSHHostKey, to file: FilePath) throws(SSHError) {
        // As ssh does for a home that never had a key.
        let folder = file.removingLastComponent()
        if !folder.isEmpty { _ = mkdir(folder.string, 0o700) }
        do {
            let descriptor = try FileDescriptor.open(
                file, .readWrite, options: [.append, .create], permissions: .ownerReadWrite)
            try descriptor.closeAfter {
                let end = try descriptor.seek(offset: 0, from: .end)
                var last: [UInt8] = [10]
                if end > 0 {
                    _ = try last.withUnsafeMutableBytes { try descriptor.read(fromAbsoluteOffset: end - 1, into: $0) }
                }
                let line = (last == [10] ? "" : "\n") + key.knownHostsLine + "\n"
                try descriptor.writeAll(line.utf8)
            }
        } catch {
            throw SSHError(
                .fileFailed, "the host key can't be recorded (check the folder and its permissions)",
                cause: "\(error)", location: file.string)
        }
    }

    /// Reads `known_hosts` files; those that do not exist count as empty.
    static func load(_ files: [FilePath]) throws(SSHError) -> KnownHosts {
        var known = KnownHosts()
        for file in files {
            guard let text = try text(of: file, limitBytes: SSHLimits.knownHostsBytes) else { continue }
            known.add(text: text, file: file)
        }
        return known
    }

    /// Looks at a private key file.
    static func privateKey(at file: FilePath) throws(SSHError) -> PrivateKeyFile {
        let text: String?
        do {
            text = try Self.text(of: file, limitBytes: SSHLimits.privateKeyBytes)
        } catch {
            throw SSHError(.badPrivateKey, error.message, cause: error.cause, location: error.location)
        }
        guard let text else {
            throw SSHError(
                .badPrivateKey, "there is no such key file (set ansible_ssh_private_key_file, or use ssh-agent)",
                location: file.string)
        }
        return PrivateKeyFile(text: text)
    }

    /// A file's text, or nil if there is no file.
    private static func text(of file: FilePath, limitBytes: Int) throws(SSHError) -> String? {
        do {
            let descriptor = try FileDescriptor.open(file, .readOnly)
            return try descriptor.closeAfter {
                var bytes: [UInt8] = []
                var piece = [UInt8](repeating: 0, count: 64 * 1024)
                while true {
                    let count = try piece.withUnsafeMutableBytes { try descriptor.read(into: $0) }
                    if count == 0 { break }
                    bytes += piece.prefix(count)
                    if bytes.count > limitBytes { throw Errno.fileTooLarge }
                }
                return String(decoding: bytes, as: UTF8.self)
            }
        } catch Errno.noSuchFileOrDirectory {
            return nil
        } catch {
            throw SSHError(
                .fileFailed, "the file can't be read (check its permissions)", cause: "\(error)",
                location: file.string)
        }
    }
}
