/// The SFTP subsystem of a session, and the turn of those who want to use it.
///
/// libssh2 keeps the state of a half-done operation in its SFTP session, so one transfer at a time has the turn. They
/// share one connection anyhow: side by side they would be no faster.
///
/// `@unchecked Sendable`: every member is touched by the owning session's actor only, on its thread.
final class SFTPBox: @unchecked Sendable {
    /// libssh2's SFTP session, or nil as long as nobody needed it. It is freed with the SSH session.
    var pointer: OpaquePointer?
    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// Waits for the turn; `pass` gives it on. Whoever waits is a transfer that its caller may have left, so there are
    /// as many as callers, and each looks at once whether it is still wanted.
    func take(isolation: isolated (any Actor)? = #isolation) async {
        guard isTaken else {
            isTaken = true
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    /// Gives the turn to the one that has waited longest.
    func pass() {
        if waiting.isEmpty {
            isTaken = false
        } else {
            waiting.removeFirst().resume()
        }
    }
}

/// An open file of a host.
///
/// `@unchecked Sendable`: touched by the owning session's actor only, on its thread.
final class SFTPFile: @unchecked Sendable {
    /// libssh2's handle, or nil once it was closed.
    var pointer: OpaquePointer?
    /// The path, for messages.
    let path: String

    init(_ pointer: OpaquePointer, path: String) {
        self.pointer = pointer
        self.path = path
    }
}
