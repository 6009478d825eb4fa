import CLibSSH2
import SystemPackage

extension SSHSession {
    /// The host key kinds that are asked for, best first. No `ssh-rsa`: it is SHA-1.
    static let hostKeyTypes = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"]

    /// Agrees on keys and ciphers. Kinds of host key that are on record are asked for first, so that a host with
    /// several keys shows one that can be checked.
    func handshake(preferring known: KnownHosts, until deadline: ContinuousClock.Instant) async throws(SSHError) {
        let recorded = known.types(for: endpoint.knownHostsName)
        let wanted = Self.hostKeyTypes.filter(recorded.contains) + Self.hostKeyTypes.filter { !recorded.contains($0) }
        libssh2_session_method_pref(handle.pointer, LIBSSH2_METHOD_HOSTKEY, wanted.joined(separator: ","))
        try await perform("waiting for the SSH handshake", .exclusive, until: deadline) { session -> Attempt<Void> in
            let code = libssh2_session_handshake(session.handle.pointer, session.handle.socket)
            return code == 0 ? .done(()) : session.unfinished(code, while: "waiting for the SSH handshake")
        }
    }

    /// The key that the host showed in the handshake.
    func hostKey() throws(SSHError) -> SSHHostKey {
        var count = 0
        var type: Int32 = 0
        guard let bytes = libssh2_session_hostkey(handle.pointer, &count, &type) else {
            throw SSHError(.protocolFailed, "the host showed no key", location: endpoint.description)
        }
        let blob = bytes.withMemoryRebound(to: UInt8.self, capacity: count) {
            Array(UnsafeBufferPointer(start: $0, count: count))
        }
        var reader = WireReader(blob[...])
        let name = String(decoding: reader.string() ?? [], as: UTF8.self)
        return SSHHostKey(host: endpoint.knownHostsName, type: name, blob: blob)
    }

    /// Compares the host's key with what is on record.
    func check(_ known: KnownHosts) throws(SSHError) {
        let key = try hostKey()
        switch known.judge(key) {
        case .known: return
        case .unknown:
            let files = configuration.knownHosts.map(\.string).joined(separator: ", ")
            throw SSHError(
                .hostKeyUnknown,
                "host key \(key.type) \(key.fingerprint) is not on record in \(files.isEmpty ? "any file" : files) "
                    + "(compare it, then record it with '\(configuration.trustCommand)')",
                location: endpoint.description)
        case .changed(let file, let line):
            throw SSHError(
                .hostKeyChanged,
                "HOST KEY CHANGED: the host shows \(key.type) \(key.fingerprint), \(file):\(line) has another "
                    + "(someone may be in between; if the host was rebuilt, delete that line and run '\(configuration.trustCommand)')",
                cause: endpoint.description,
                location: "\(file):\(line)")
        case .revoked(let file, let line):
            throw SSHError(
                .hostKeyChanged, "host key \(key.fingerprint) was revoked in \(file):\(line) (do not connect)",
                cause: endpoint.description,
                location: "\(file):\(line)")
        }
    }

    /// Tries the credentials in turn until one lets us in.
    func logIn(until deadline: ContinuousClock.Instant) async throws(SSHError) {
        let accepted = try await acceptedMethods(until: deadline)
        if accepted == nil { return }
        var tried: [String] = []
        var badKey: SSHError?
        for credential in configuration.credentials {
            do throws(SSHError) {
                switch credential {
                case .agent:
                    tried.append(try await logInByAgent(socket: nil, until: deadline))
                case .agentSocket(let path):
                    tried.append(try await logInByAgent(socket: path, until: deadline))
                case .privateKey(let path, let passphrase):
                    try await logIn(key: path, passphrase: passphrase, until: deadline)
                    tried.append("key \(path)")
                case .password(let password):
                    try await logIn(password: password, until: deadline)
                    tried.append("a password")
                }
            } catch {
                guard error.code == .badPrivateKey else { throw error }
                badKey = badKey ?? error
            }
            if libssh2_userauth_authenticated(handle.pointer) == 1 { return }
        }
        if let badKey, tried.isEmpty { throw badKey }
        let list = tried.isEmpty ? "nothing was tried" : "tried \(tried.joined(separator: ", "))"
        let methods = accepted.map { $0.isEmpty ? "nothing" : $0 } ?? ""
        throw SSHError(
            .authenticationFailed,
            "the host lets '\(endpoint.user)' in with none of our credentials: \(list); it accepts \(methods) "
                + "(is the public key in the account's authorized_keys, is the user right?)",
            cause: badKey?.description, location: endpoint.description)
    }

    /// What the host accepts for this account, or nil if it wants nothing at all.
    private func acceptedMethods(until deadline: ContinuousClock.Instant) async throws(SSHError) -> String? {
        let user = endpoint.user
        let name = "asking how to log in"
        return try await perform(name, .exclusive, until: deadline) { session -> Attempt<String?> in
            let pointer = session.handle.pointer
            if let list = libssh2_userauth_list(pointer, user, UInt32(user.utf8.count)) {
                return .done(String(cString: list))
            }
            if libssh2_userauth_authenticated(pointer) == 1 { return .done(nil) }
            let code = libssh2_session_last_errno(pointer)
            return code == LIBSSH2_ERROR_AUTHENTICATION_FAILED ? .done("") : session.unfinished(code, while: name)
        }
    }

    private func logIn(
        key path: FilePath, passphrase: String?, until deadline: ContinuousClock.Instant
    ) async throws(SSHError) {
        let file = try HostKeys.privateKey(at: path)
        let bad: @Sendable (String) -> SSHError = { SSHError(.badPrivateKey, $0, location: path.string) }
        switch file.kind {
        case .usable: break
        case .rsa:
            throw bad(
                "RSA keys can't be used: libssh2 signs them with SHA-1, which sshd refuses "
                    + "(make one with 'ssh-keygen -t ed25519')")
        case .unsupported(let type):
            throw bad("keys of kind \(type) can't be used (make one with 'ssh-keygen -t ed25519')")
        case .notAKey:
            throw bad("this is not a private key (give the file without .pub)")
        }
        if file.isEncrypted, passphrase == nil {
            throw bad("the key is encrypted and no passphrase was given (add it to ssh-agent, or give the passphrase)")
        }
        let user = endpoint.user
        let name = "logging in with a key"
        try await perform(name, .exclusive, until: deadline) { session -> Attempt<Void> in
            let code = libssh2_userauth_publickey_fromfile_ex(
                session.handle.pointer, user, UInt32(user.utf8.count), nil, path.string, passphrase)
            switch code {
            case 0, LIBSSH2_ERROR_AUTHENTICATION_FAILED: return .done(())
            case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED where !file.isEncrypted: return .done(())
            case LIBSSH2_ERROR_FILE, LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED, LIBSSH2_ERROR_METHOD_NOT_SUPPORTED,
                LIBSSH2_ERROR_METHOD_NONE, LIBSSH2_ERROR_PROTO, LIBSSH2_ERROR_DECRYPT, LIBSSH2_ERROR_INVAL:
                let reason = file.isEncrypted ? "the passphrase is wrong, or the key is damaged" : "the key is damaged"
                return .failed(bad("\(reason) (check it with 'ssh-keygen -y -f \(path)')"))
            default: return session.unfinished(code, while: name)
            }
        }
    }

    private func logIn(password: String, until deadline: ContinuousClock.Instant) async throws(SSHError) {
        let user = endpoint.user
        let name = "logging in with a password"
        try await perform(name, .exclusive, until: deadline) { session -> Attempt<Void> in
            let code = libssh2_userauth_password_ex(
                session.handle.pointer, user, UInt32(user.utf8.count), password, UInt32(password.utf8.count), nil)
            switch code {
            case 0, LIBSSH2_ERROR_AUTHENTICATION_FAILED, LIBSSH2_ERROR_PASSWORD_EXPIRED: return .done(())
            default: return session.unfinished(code, while: name)
            }
        }
    }

    /// Offers the agent's keys; what was offered, for the error message.
    private func logInByAgent(
        socket: FilePath?, until deadline: ContinuousClock.Instant
    ) async throws(SSHError) -> String {
        guard let agent = AgentKeys(session: handle, socket: socket) else { return "ssh-agent (none reached)" }
        let user = endpoint.user
        let name = "logging in with ssh-agent"
        for index in 0..<agent.count {
            let isIn = try await perform(name, .exclusive, until: deadline) { session -> Attempt<Bool> in
                switch agent.logIn(user, with: index) {
                case 0: return .done(true)
                case LIBSSH2_ERROR_EAGAIN: return .again
                case LIBSSH2_ERROR_SOCKET_DISCONNECT, LIBSSH2_ERROR_SOCKET_SEND, LIBSSH2_ERROR_SOCKET_RECV:
                    return .failed(session.error(LIBSSH2_ERROR_SOCKET_DISCONNECT, while: name))
                // Refused by the host, or the agent would not sign with this one: the next key may do.
                default: return .done(false)
                }
            }
            if isIn { break }
        }
        return "ssh-agent (\(agent.count) \(agent.count == 1 ? "key" : "keys"))"
    }
}
