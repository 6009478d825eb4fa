public import SystemPackage

// Files go through a small shell script rather than SFTP: SFTP version 3 can't replace a file by renaming (libssh2
// lacks OpenSSH's extension for it), and one channel that streams is as fast as scp. The script needs a POSIX shell
// and `sha256sum`, which every Debian has.

extension SSHSession {
    /// Brings a local file to the host, unless the host has it already.
    ///
    /// The target is compared by SHA-256. Otherwise the content goes to a temporary file beside it (`NAME.seatrial-…`),
    /// is compared there, and is then renamed over it: the target has the old content or the new, never a part.
    ///
    /// - Throws: `SSHError`: `fileFailed` when either side can't read or write, `connectionLost`, `cancelled`.
    public func upload(
        _ local: FilePath, to remote: String, mode: UInt16 = 0o644
    ) async throws(SSHError) -> SSHUploadResult {
        let file: FileDescriptor
        let digest: [UInt8]
        let count: Int
        do {
            file = try FileDescriptor.open(local, .readOnly)
            do {
                (digest, count) = try Digests.sha256(of: file)
            } catch {
                try? file.close()
                throw error
            }
        } catch {
            throw SSHError(.fileFailed, "the file can't be read", cause: "\(error)", location: local.string)
        }
        // Nothing was written to it, so closing has nothing to report.
        defer { try? file.close() }
        return try await upload(digest, count, to: remote, mode: mode) { offset throws(SSHError) in
            do {
                return try [UInt8](unsafeUninitializedCapacity: SSHLimits.writeBytes) { buffer, used in
                    used = try file.read(
                        fromAbsoluteOffset: Int64(offset), into: UnsafeMutableRawBufferPointer(buffer))
                }
            } catch {
                throw SSHError(.fileFailed, "the file can't be read", cause: "\(error)", location: local.string)
            }
        }
    }

    /// Brings bytes to a file on the host; see `upload(_:to:mode:)` for files.
    public func upload(
        _ bytes: [UInt8], to remote: String, mode: UInt16 = 0o644
    ) async throws(SSHError) -> SSHUploadResult {
        try await upload(Digests.sha256(bytes), bytes.count, to: remote, mode: mode) { offset in
            Array(bytes[offset..<min(offset + SSHLimits.writeBytes, bytes.count)])
        }
    }

    /// The content of a file on the host.
    ///
    /// - Throws: `SSHError`: `fileFailed` when the host can't read it, `outputTooLarge` above the limit.
    public func download(
        _ remote: String, limitBytes: Int = SSHLimits.outputBytes
    ) async throws(SSHError) -> [UInt8] {
        let result = try await execute(Shell.command(["cat", "--", remote]), outputLimitBytes: limitBytes)
        guard result.isSuccess else {
            throw SSHError(
                .fileFailed, "'\(remote)' can't be read on the host", cause: Self.line(result.standardError),
                location: endpoint.description)
        }
        return result.standardOutput
    }

    /// `$1` target, `$2` mode, `$3` SHA-256, `$4` temporary file. Answers `unchanged`, or `send` and after the
    /// content `sent`. It takes its temporary file away however it ends; without us to read what it says, SIGPIPE
    /// would end it before that. Single-quoted as a whole, so that it reaches `sh` whatever the account's shell is.
    private static let script = """
        if [ -d "$1" ]; then echo "$1: is a folder" >&2; exit 1; fi; \
        if [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -c1-64)" = "$3" ]; then \
        chmod "$2" "$1" && echo unchanged; exit; fi; \
        umask 077; trap "" PIPE; trap "exit 1" HUP INT TERM; trap "rm -f \\"\\$4\\"" EXIT; : >"$4" || exit 1; \
        echo send; cat >"$4" || exit 1; \
        [ "$(sha256sum <"$4" | cut -c1-64)" = "$3" ] || { echo "the content arrived damaged or in part" >&2; exit 1; }; \
        chmod "$2" "$4" && mv -f "$4" "$1" && echo sent
        """

    private func upload(
        _ digest: [UInt8], _ count: Int, to remote: String, mode: UInt16,
        _ piece: (_ offset: Int) throws(SSHError) -> [UInt8]
    ) async throws(SSHError) -> SSHUploadResult {
        let token = String(UInt64.random(in: .min ... .max), radix: 36)
        let words = ["sh", "-c", Self.script, "sh", remote, String(mode, radix: 8), Digests.hex(digest)]
        let channel = try await start(Shell.command(words + ["\(remote).seatrial-\(token)"]))
        defer { release(channel) }
        var said = Said()
        while !said.hasLine, try await said.take(read(from: channel)) {}
        switch said.line {
        case "unchanged": return .unchanged
        case "send": break
        default: throw uploadFailed(remote, said)
        }
        do throws(SSHError) {
            var offset = 0
            while offset < count {
                let bytes = try piece(offset)
                guard !bytes.isEmpty else {
                    throw SSHError(
                        .fileFailed, "the local file shrank while it was sent to '\(remote)' (try again)",
                        location: endpoint.description)
                }
                try await write(bytes, to: channel)
                offset += bytes.count
            }
            try await sendEndOfFile(to: channel)
        } catch {
            // The host's script ended early: what it said tells more than our failed write.
            guard error.code == .channelRefused else { throw error }
        }
        while try await said.take(read(from: channel)) {}
        let exit = try await exit(of: channel)
        guard exit.status == 0, said.output.elementsEqual("send\nsent\n".utf8) else { throw uploadFailed(remote, said) }
        return .sent(bytes: count)
    }

    private func uploadFailed(_ remote: String, _ said: Said) -> SSHError {
        SSHError(
            .fileFailed, "'\(remote)' can't be written on the host (check folder, permissions and free space)",
            cause: Self.line(said.error), location: endpoint.description)
    }

    /// The first line of what a command complained.
    private static func line(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.prefix { $0 != 10 }.prefix(512), as: UTF8.self)
    }
}

/// What the upload script said so far.
private struct Said {
    var output: [UInt8] = []
    var error: [UInt8] = []

    var hasLine: Bool { output.contains(10) }
    var line: String { String(decoding: output.prefix { $0 != 10 }, as: UTF8.self) }

    /// Takes a piece of output; false at the end.
    mutating func take(_ piece: SSHCommandOutput?) -> Bool {
        switch piece {
        case .standardOutput(let bytes): output += bytes
        case .standardError(let bytes): error += bytes
        case nil: return false
        }
        return true
    }
}
