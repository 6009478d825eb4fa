import CLibSSH2
import Glibc

// The operations of SFTP. Each is brought to its end before the next begins: only a transfer that has the turn
// (`SFTPBox`) may call them, from a task that nobody cancels (`SFTPTransfer`).

extension SSHSession {
    /// Opens the SFTP subsystem, if it is not open already.
    ///
    /// - Throws: `SSHError`: `channelRefused` when the host has none, `timedOut` when it does not answer, which ends
    ///   the session, since libssh2 can't take the question back.
    func openSFTP() async throws(SSHError) {
        guard sftp.pointer == nil else { return }
        let name = "starting the host's SFTP server"
        let deadline = ContinuousClock.now + SFTPLimits.openTimeout
        do throws(SSHError) {
            try await perform(name, [.exclusive, .mustFinish], until: deadline) { session -> Attempt<Void> in
                if let pointer = libssh2_sftp_init(session.handle.pointer) {
                    session.sftp.pointer = pointer
                    return .done(())
                }
                let code = libssh2_session_last_errno(session.handle.pointer)
                if code == LIBSSH2_ERROR_EAGAIN { return .again }
                guard !session.hasHungUp else { return session.unfinished(code, while: name) }
                return .failed(session.noSFTP(session.handle.lastMessage))
            }
        } catch {
            if error.code == .timedOut {
                var fatal = noSFTP("no greeting in \(SFTPLimits.openTimeout)")
                fatal.code = .timedOut
                fail(fatal)
                throw fatal
            }
            throw error
        }
    }

    /// Creates a file that must not exist yet, for its owner only.
    func createFile(_ path: String) async throws(SSHError) -> SFTPFile {
        try await openFile(path, LIBSSH2_FXF_WRITE | LIBSSH2_FXF_CREAT | LIBSSH2_FXF_EXCL, "written")
    }

    /// Opens a file to read it.
    func openFile(_ path: String) async throws(SSHError) -> SFTPFile {
        try await openFile(path, LIBSSH2_FXF_READ, "read")
    }

    private func openFile(_ path: String, _ flags: Int32, _ deed: String) async throws(SSHError) -> SFTPFile {
        try await performSFTP("opening a file", path, deed) { session, sftp -> Attempt<SFTPFile> in
            let pointer = libssh2_sftp_open_ex(
                sftp, path, UInt32(path.utf8.count), UInt(flags), 0o600, LIBSSH2_SFTP_OPENFILE)
            if let pointer { return .done(SFTPFile(pointer, path: path)) }
            let code = libssh2_session_last_errno(session.handle.pointer)
            return session.unfinishedSFTP(code, "opening a file", path, deed)
        }
    }

    /// Sends up to a turn's bytes; ends early when all are acknowledged.
    func sendTurn(of source: SFTPSource, to file: SFTPFile) async throws(SSHError) {
        try await performSFTP("sending a file", file.path, "written") { session, _ -> Attempt<Void> in
            let goal = min(source.acknowledged + SFTPLimits.turnBytes, source.count)
            while source.acknowledged < goal {
                do throws(SSHError) {
                    try source.fill()
                } catch {
                    return .failed(error)
                }
                let count = source.withWindow { window in
                    libssh2_sftp_write(
                        file.pointer, window.baseAddress?.assumingMemoryBound(to: CChar.self), window.count)
                }
                guard count >= 0 else {
                    return session.unfinishedSFTP(Int32(count), "sending a file", file.path, "written")
                }
                // 0 is a write that sent a part and had no acknowledgement yet: the same again.
                source.acknowledge(count)
            }
            return .done(())
        }
    }

    /// The next bytes of a file; none at its end.
    func read(_ file: SFTPFile) async throws(SSHError) -> [UInt8] {
        let buffer = SFTPBuffer()
        return try await performSFTP("reading a file", file.path, "read") { session, _ -> Attempt<[UInt8]> in
            let count = buffer.bytes.withUnsafeMutableBytes { bytes in
                libssh2_sftp_read(file.pointer, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
            }
            guard count >= 0 else { return session.unfinishedSFTP(Int32(count), "reading a file", file.path, "read") }
            return .done(Array(buffer.bytes.prefix(count)))
        }
    }

    /// Sets the permissions of an open file.
    func setMode(_ mode: UInt16, of file: SFTPFile) async throws(SSHError) {
        try await performSFTP("setting permissions", file.path, "written") { session, _ -> Attempt<Void> in
            var attributes = LIBSSH2_SFTP_ATTRIBUTES()
            attributes.flags = UInt(LIBSSH2_SFTP_ATTR_PERMISSIONS)
            attributes.permissions = UInt(mode)
            let code = libssh2_sftp_fstat_ex(file.pointer, &attributes, 1)
            return code == 0
                ? .done(()) : session.unfinishedSFTP(code, "setting permissions", file.path, "written")
        }
    }

    /// Sets the permissions of a file by its path.
    func setMode(_ mode: UInt16, of path: String) async throws(SSHError) {
        try await performSFTP("setting permissions", path, "written") { session, sftp -> Attempt<Void> in
            var attributes = LIBSSH2_SFTP_ATTRIBUTES()
            attributes.flags = UInt(LIBSSH2_SFTP_ATTR_PERMISSIONS)
            attributes.permissions = UInt(mode)
            let code = libssh2_sftp_stat_ex(sftp, path, UInt32(path.utf8.count), LIBSSH2_SFTP_SETSTAT, &attributes)
            return code == 0 ? .done(()) : session.unfinishedSFTP(code, "setting permissions", path, "written")
        }
    }

    /// Closes a file; its handle is gone whatever the answer is.
    func close(_ file: SFTPFile) async throws(SSHError) {
        guard file.pointer != nil else { return }
        do throws(SSHError) {
            try await performSFTP("closing a file", file.path, "written") { session, _ -> Attempt<Void> in
                let code = libssh2_sftp_close_handle(file.pointer)
                if code != LIBSSH2_ERROR_EAGAIN { file.pointer = nil }
                return code == 0 ? .done(()) : session.unfinishedSFTP(code, "closing a file", file.path, "written")
            }
        } catch {
            drop(file)
            throw error
        }
    }

    /// Removes a file.
    func remove(_ path: String) async throws(SSHError) {
        try await performSFTP("removing a file", path, "removed") { session, sftp -> Attempt<Void> in
            let code = libssh2_sftp_unlink_ex(sftp, path, UInt32(path.utf8.count))
            return code == 0 ? .done(()) : session.unfinishedSFTP(code, "removing a file", path, "removed")
        }
    }

    /// Gives back a handle's memory when its connection is gone: nothing is sent any more, so nothing is waited for.
    private func drop(_ file: SFTPFile) {
        guard failure != nil, let pointer = file.pointer else { return }
        file.pointer = nil
        for _ in 0..<SSHLimits.freeAttempts {
            if libssh2_sftp_close_handle(pointer) != LIBSSH2_ERROR_EAGAIN { break }
        }
    }

    /// One operation, brought to its end.
    private func performSFTP<Result: Sendable>(
        _ name: String, _ path: String, _ deed: String,
        _ attempt: @escaping @Sendable (isolated SSHSession, OpaquePointer) -> Attempt<Result>
    ) async throws(SSHError) -> Result {
        try await perform(name, .mustFinish) { session -> Attempt<Result> in
            guard let sftp = session.sftp.pointer else { return .failed(session.serverEnded(name)) }
            let outcome = attempt(session, sftp)
            // libssh2 would wait for ever for a server that has ended: it takes the end for a short read.
            guard case .again = outcome, !session.handle.isMidPacket, let channel = libssh2_sftp_get_channel(sftp),
                libssh2_channel_eof(channel) == 1
            else { return outcome }
            return .failed(session.serverEnded(name))
        }
    }

    private func unfinishedSFTP<Result>(
        _ code: Int32, _ name: String, _ path: String, _ deed: String
    ) -> Attempt<Result> {
        switch code {
        case LIBSSH2_ERROR_EAGAIN: return .again
        case LIBSSH2_ERROR_SFTP_PROTOCOL:
            let status = sftp.pointer.map { libssh2_sftp_last_error($0) } ?? 0
            return .failed(
                SSHError(
                    .fileFailed, "'\(path)' can't be \(deed) on the host (check folder, permissions and free space)",
                    cause: SFTPStatus.words(status), location: endpoint.description))
        default:
            guard !hasHungUp else { return .failed(error(code, while: name)) }
            return .failed(serverEnded(name))
        }
    }

    /// The SFTP server has ended on a connection that lives: the next transfer starts another.
    private func serverEnded(_ name: String) -> SSHError {
        let cause = handle.lastMessage
        if let ended = sftp.pointer {
            sftp.pointer = nil
            let old = SFTPBox()
            old.pointer = ended
            // In the background: the host keeps the channel until it is closed on both sides.
            Task {
                let deadline = ContinuousClock.now + SSHLimits.channelCloseTimeout
                // A channel that does not close in time is freed with the session.
                _ = try? await perform("closing SFTP", until: deadline) { session -> Attempt<Void> in
                    let code = old.pointer.map { libssh2_sftp_shutdown($0) } ?? 0
                    return code == LIBSSH2_ERROR_EAGAIN ? .again : .done(())
                }
            }
        }
        return SSHError(
            .fileFailed, "the host's SFTP server ended while \(name) (see the host's log, and try again)",
            cause: cause, location: endpoint.description)
    }

    private func noSFTP(_ cause: String) -> SSHError {
        SSHError(
            .channelRefused,
            "the host has no SFTP server (add 'Subsystem sftp internal-sftp' to its sshd_config; see also MaxSessions)",
            cause: cause, location: endpoint.description)
    }

    /// Whether the connection's other end is gone.
    private var hasHungUp: Bool {
        var end = pollfd(fd: handle.socket, events: 0x2000, revents: 0)  // POLLRDHUP, which Glibc's module leaves out
        return poll(&end, 1, 0) != 0
    }
}

/// Where one read puts its bytes over several tries.
///
/// `@unchecked Sendable`: touched by the owning session's actor only, on its thread.
private final class SFTPBuffer: @unchecked Sendable {
    var bytes = [UInt8](repeating: 0, count: SFTPLimits.readBytes)
}
