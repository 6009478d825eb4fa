public import SystemPackage

// Contents travel by SFTP; two short commands go around them. SFTP has no digests, and its version 3 can't replace a
// file by renaming: OpenSSH's `posix-rename@openssh.com` can, and libssh2 has it since 1.11 only. So a command
// compares, and `mv -T`, which is one rename(2) within a folder, replaces. They need a POSIX shell with coreutils.
//
// Nothing is forced to disk. The promise is the target's whole old content or its whole new one as processes see
// it, which rename(2) gives; a host that loses its power is deployed to anew, and the digest finds what it lost.

extension SSHSession {
    /// Brings a local file to the host, unless the host has it already.
    ///
    /// The target is compared by SHA-256. Otherwise the content goes by SFTP to a temporary file beside it
    /// (`NAME.seatrial-…`), its size is compared there, and it is then renamed over it: the target has the old content or the new,
    /// never a part. A connection that breaks leaves the temporary file behind, and the next upload to the same
    /// target removes it. Of two processes that upload to one target at once, one may so lose its temporary file: it
    /// fails, and the target is whole.
    ///
    /// - Throws: `SSHError`: `fileFailed` when either side can't read or write, `channelRefused` when the host has no
    ///   SFTP server, `connectionLost`, `cancelled`.
    public func upload(
        _ local: FilePath, to remote: String, mode: UInt16 = 0o644
    ) async throws(SSHError) -> SSHUploadResult {
        try await upload(try SFTPSource(local), to: remote, mode: mode)
    }

    /// Brings bytes to a file on the host; see `upload(_:to:mode:)` for files.
    public func upload(
        _ bytes: [UInt8], to remote: String, mode: UInt16 = 0o644
    ) async throws(SSHError) -> SSHUploadResult {
        try await upload(SFTPSource(bytes), to: remote, mode: mode)
    }

    /// The content of a file on the host, by SFTP.
    ///
    /// - Throws: `SSHError`: `fileFailed` when the host can't read it, `outputTooLarge` above the limit,
    ///   `channelRefused` when the host has no SFTP server, `connectionLost`, `cancelled`.
    public func download(
        _ remote: String, limitBytes: Int = SSHLimits.outputBytes
    ) async throws(SSHError) -> [UInt8] {
        try await transfer("downloading '\(remote)'") { session, isAbandoned throws(SSHError) -> [UInt8] in
            let file = try await session.openFile(remote)
            var content: [UInt8] = []
            do throws(SSHError) {
                while !isAbandoned() {
                    let bytes = try await session.read(file)
                    if bytes.isEmpty { break }
                    content += bytes
                    if content.count > limitBytes {
                        throw SSHError(
                            .outputTooLarge, "'\(remote)' has more than \(limitBytes) bytes (raise the limit)",
                            location: session.endpoint.description)
                    }
                    await Task.yield()
                }
            } catch {
                // What failed is told; that closing after it fails too is no news.
                try? await session.close(file)
                throw error
            }
            try await session.close(file)
            return content
        }
    }

    private func upload(
        _ source: SFTPSource, to remote: String, mode: UInt16
    ) async throws(SSHError) -> SSHUploadResult {
        let temporary = SFTPTemporary(beside: remote)
        if let present = try await survey(remote, source.count), try present.digest == Digests.hex(source.digest()) {
            if present.mode != mode {
                try await transfer("uploading '\(remote)'") { session, _ throws(SSHError) in
                    try await session.setMode(mode, of: remote)
                }
            }
            return .unchanged
        }
        try await transfer("uploading '\(remote)'") { session, isAbandoned throws(SSHError) in
            let file = try await session.createFile(temporary.path)
            do throws(SSHError) {
                while !source.isThrough, !isAbandoned() {
                    try await session.sendTurn(of: source, to: file)
                    // Others on this thread have their turn.
                    await Task.yield()
                }
                try await session.setMode(mode, of: file)
                try await session.close(file)
                guard !isAbandoned() else { throw session.left("uploading '\(remote)'") }
                try await session.commit(temporary.path, as: remote, source.count)
            } catch {
                // What failed is told; that tidying up after it fails too is no news: the next upload does it.
                try? await session.close(file)
                try? await session.remove(temporary.path)
                throw error
            }
        }
        return .sent(bytes: source.count)
    }

    /// Runs a transfer in its turn and in its own task, which the caller may leave at any time.
    private func transfer<Value: Sendable>(
        _ name: String,
        _ work: @escaping @Sendable (isolated SSHSession, () -> Bool) async throws(SSHError) -> Value
    ) async throws(SSHError) -> Value {
        let transfer = SFTPTransfer<Value>()
        Task {
            await sftp.take()
            defer { sftp.pass() }
            do throws(SSHError) {
                if transfer.isAbandoned { throw left(name) }
                try await openSFTP()
                transfer.end(.success(try await work(self) { transfer.isAbandoned }))
            } catch {
                transfer.end(.failure(error))
            }
        }
        let outcome = await withTaskCancellationHandler {
            await transfer.outcome()
        } onCancel: {
            transfer.abandon()
        }
        guard let outcome else { throw left(name) }
        return try outcome.get()
    }

    private func left(_ name: String) -> SSHError {
        SSHError(.cancelled, "cancelled while \(name)", location: endpoint.description)
    }

    /// Looks at the target, and removes what cut uploads left beside it.
    ///
    /// - Returns: The target's SHA-256 and permissions, or nil if its size alone tells that it has to be sent.
    private func survey(
        _ remote: String, _ count: Int
    ) async throws(SSHError) -> (digest: Substring, mode: UInt16)? {
        // $1 target, $2 size, then the temporary files in use.
        let token = String(repeating: "[0-9a-f]", count: SFTPLimits.tokenDigits)
        let script = """
            t=$1; c=$2; shift 2; if [ -d "$t" ]; then echo "$t: is a folder" >&2; exit 1; fi; \
            for f in "$t".seatrial-\(token); do [ -f "$f" ] || continue; \
            for k; do [ "$f" = "$k" ] && continue 2; done; rm -f -- "$f"; done; \
            [ -f "$t" ] && [ "$(stat -L -c %s -- "$t")" = "$c" ] || { echo differs; exit 0; }; \
            \(Self.sha256); d=$(sha "$t") && m=$(stat -L -c %a -- "$t") && echo same "$d" "$m"
            """
        let words = ["sh", "-c", script, "sh", remote, String(count)] + SFTPTemporary.inUse(beside: remote)
        let result = try await execute(Shell.command(words))
        let answer = result.outputText.split(whereSeparator: \.isWhitespace)
        if result.isSuccess, answer == ["differs"] { return nil }
        guard result.isSuccess, answer.count == 3, let mode = UInt16(answer[2], radix: 8) else {
            throw uploadFailed(remote, result)
        }
        return (answer[1], mode)
    }

    /// A shell function for a file's SHA-256. Debian's `sha256sum` does not use the processor's instructions for it,
    /// `openssl` does and takes a quarter of the time, but a bare host lacks it.
    private static let sha256 = """
        sha() { if command -v openssl >/dev/null; then openssl dgst -sha256 -r <"$1"; else sha256sum <"$1"; fi \
        | cut -c1-64; }
        """

    /// Sees that all of the content is there, and renames it.
    ///
    /// Its size is enough: the connection's MAC vouches for every byte on the way, and SFTP's answers for every write.
    /// Hashing it once more would cost a fifth of the upload and could only find a disk that lies, which the next
    /// upload's comparison finds as well.
    private func commit(_ temporary: String, as remote: String, _ count: Int) async throws(SSHError) {
        // -T: a folder that has come up under the target's name is an error and not a place to move into.
        let script = """
            [ "$(stat -c %s -- "$1")" = "$3" ] || { echo "the content arrived in part" >&2; exit 1; }; \
            exec mv -f -T -- "$1" "$2"
            """
        let result = try await execute(Shell.command(["sh", "-c", script, "sh", temporary, remote, String(count)]))
        guard result.isSuccess else { throw uploadFailed(remote, result) }
    }

    private func uploadFailed(_ remote: String, _ result: SSHCommandResult) -> SSHError {
        let line = result.standardError.prefix { $0 != 10 }.prefix(512)
        return SSHError(
            .fileFailed, "'\(remote)' can't be written on the host (check folder, permissions and free space)",
            cause: String(decoding: line, as: UTF8.self), location: endpoint.description)
    }
}
