import CLibSSH2
import Glibc

/// What one try of an operation came to.
enum Attempt<Result: Sendable>: Sendable {
    /// It is through.
    case done(Result)
    /// libssh2 answered EAGAIN: the same call is to be made again.
    case again
    /// It failed; `SSHSession.isFatal` tells whether the session with it.
    case failed(SSHError)
}

extension SSHSession {
    /// One try, made on the session's thread.
    typealias Try<Result: Sendable> = @Sendable (isolated SSHSession) -> Attempt<Result>

    /// How an operation behaves beside others.
    struct Manner: OptionSet, Sendable {
        let rawValue: Int
        /// Its state is in libssh2's session, so no two of these run at once.
        static let exclusive = Manner(rawValue: 1)
        /// Once begun it must be brought to its end, though its caller be gone: what it opens has to be closed.
        static let mustFinish = Manner(rawValue: 2)
    }

    /// Tries an operation until it is through.
    ///
    /// Three rules of libssh2 are kept here:
    /// 1. While a packet is partly sent (`SessionHandle.isMidPacket`), only the operation that sends it goes on.
    ///    Anyone else who sent would get BAD_USE, or the packet's middle would be followed by another's start.
    /// 2. A caller who is cancelled leaves at once. If its packet is partly sent, or if the operation must finish,
    ///    a task of our own carries it on, with the same bytes.
    /// 3. Bytes for one channel may be read by an operation on another. Whoever sees bytes come wakes all who wait, and
    ///    itself: a try makes several calls, and a later one may take from the socket what an earlier one waited for.
    ///
    /// - Parameter leftOver: What to do with a result that came after its caller had gone.
    func perform<Result: Sendable>(
        _ name: String, _ manner: Manner = [], until deadline: ContinuousClock.Instant? = nil,
        leftOver: (@Sendable (isolated SSHSession, Result) -> Void)? = nil, _ attempt: @escaping Try<Result>
    ) async throws(SSHError) -> Result {
        lastOperation += 1
        let id = lastOperation
        var hasBegun = false
        while true {
            if let failure { throw failure }
            var events: Int16 = 0
            let wakes = thread.wakes
            if mayTry(id, manner) {
                hasBegun = true
                switch tryOnce(id, manner, attempt) {
                case .done(let result): return result
                case .failed(let error): throw error
                case .again: events = handle.awaitedEvents
                }
            }
            switch await thread.wait(handle.socket, events, until: deadline, since: wakes) {
            case .ready: continue
            case .deadline:
                carryOn(id, manner, hasBegun, leftOver, attempt)
                throw SSHError(
                    .timedOut, "no answer in time while \(name) (is the host alive? look at its load and its links)",
                    location: endpoint.description)
            case .cancelled:
                carryOn(id, manner, hasBegun, leftOver, attempt)
                throw SSHError(.cancelled, "cancelled while \(name)", location: endpoint.description)
            }
        }
    }

    private func mayTry(_ id: UInt64, _ manner: Manner) -> Bool {
        if let sender, sender != id { return false }
        guard manner.contains(.exclusive) else { return true }
        if exclusive == nil { exclusive = id }
        return exclusive == id
    }

    /// One try with its book-keeping: who sends, who waits, and whether the session survived.
    private func tryOnce<Result>(_ id: UInt64, _ manner: Manner, _ attempt: Try<Result>) -> Attempt<Result> {
        let before = handle.received
        var seen = before
        var outcome = attempt(self)
        // Rule 3 for ourselves: a try may be several calls, and the last of them may have read what the first one
        // was after. Nothing would then be left in the socket to wake us, so look again until nothing comes.
        while case .again = outcome, handle.received != seen {
            seen = handle.received
            outcome = attempt(self)
        }
        var mustWake = handle.received != before
        if case .again = outcome {
            if handle.isMidPacket {
                sender = id
            } else if sender == id {
                sender = nil
                mustWake = true
            }
        } else {
            mustWake = release(id) || mustWake
        }
        if case .failed(let error) = outcome, Self.isFatal(error.code) { fail(error) }
        if mustWake { thread.wake(handle.socket) }
        return outcome
    }

    /// Gives up what an operation holds; whether it held anything.
    private func release(_ id: UInt64) -> Bool {
        let held = sender == id || exclusive == id
        if sender == id { sender = nil }
        if exclusive == id { exclusive = nil }
        return held
    }

    /// Goes on with an operation that its caller left, as far as the session needs it.
    private func carryOn<Result: Sendable>(
        _ id: UInt64, _ manner: Manner, _ hasBegun: Bool,
        _ leftOver: (@Sendable (isolated SSHSession, Result) -> Void)?, _ attempt: @escaping Try<Result>
    ) {
        let mustFinish = hasBegun && manner.contains(.mustFinish)
        guard failure == nil, mustFinish || sender == id else {
            if release(id) { thread.wake(handle.socket) }
            return
        }
        Task {
            while failure == nil {
                let wakes = thread.wakes
                switch tryOnce(id, manner, attempt) {
                case .done(let result):
                    leftOver?(self, result)
                    return
                case .failed: return
                case .again: break
                }
                if !mustFinish && sender != id {
                    if release(id) { thread.wake(handle.socket) }
                    return
                }
                _ = await thread.wait(handle.socket, handle.awaitedEvents, until: nil, since: wakes)
            }
        }
    }

    /// Whether an error of this kind ends the session, and not just the operation.
    static func isFatal(_ code: SSHError.Code) -> Bool {
        switch code {
        case .connectionLost, .protocolFailed, .noSharedAlgorithm: true
        default: false
        }
    }

    /// What a libssh2 return code comes to, in the course of something.
    func error(_ code: Int32, while name: String) -> SSHError {
        let cause = handle.lastMessage
        let place = endpoint.description
        switch code {
        case LIBSSH2_ERROR_SOCKET_DISCONNECT, LIBSSH2_ERROR_SOCKET_SEND, LIBSSH2_ERROR_SOCKET_RECV,
            LIBSSH2_ERROR_SOCKET_NONE, LIBSSH2_ERROR_BAD_SOCKET, LIBSSH2_ERROR_SOCKET_TIMEOUT:
            return SSHError(
                .connectionLost, "the connection broke while \(name) (it may or may not have happened; connect again)",
                cause: cause, location: place)
        case LIBSSH2_ERROR_BANNER_RECV, LIBSSH2_ERROR_BANNER_SEND:
            return SSHError(
                .connectionLost, "no SSH server answers there, or it hung up before greeting (check host and port)",
                cause: cause, location: place)
        case LIBSSH2_ERROR_KEX_FAILURE, LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE, LIBSSH2_ERROR_METHOD_NONE:
            return SSHError(
                .noSharedAlgorithm,
                "no key exchange, host key, cipher or MAC in common (libssh2 needs an ed25519 or ECDSA host key and "
                    + "an AES cipher: see HostKey and Ciphers in its sshd_config)", cause: cause, location: place)
        case LIBSSH2_ERROR_CHANNEL_FAILURE, LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED:
            return SSHError(
                .channelRefused, "the host refused while \(name) (see MaxSessions and ForceCommand in its sshd_config)",
                cause: cause, location: place)
        case LIBSSH2_ERROR_CHANNEL_CLOSED, LIBSSH2_ERROR_CHANNEL_EOF_SENT:
            return SSHError(
                .channelRefused, "the command had ended already while \(name)", cause: cause, location: place)
        default:
            return SSHError(
                .protocolFailed, "libssh2 gave up while \(name) (connect again)", cause: "\(cause), code \(code)",
                location: place)
        }
    }

    /// The attempt that a return code stands for, if it is not a result.
    func unfinished<Result>(_ code: Int32, while name: String) -> Attempt<Result> {
        code == LIBSSH2_ERROR_EAGAIN ? .again : .failed(error(code, while: name))
    }
}
