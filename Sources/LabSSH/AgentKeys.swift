import CLibSSH2
import SystemPackage

/// The usable keys of a running ssh-agent.
///
/// libssh2 talks to the agent with blocking calls. An agent answers at once unless it asks a person to confirm; the
/// session's thread then waits with it.
///
/// `@unchecked Sendable`: used by the session's actor on its thread only, and it keeps the session's handle alive.
final class AgentKeys: @unchecked Sendable {
    private let session: SessionHandle
    private let agent: OpaquePointer
    private var identities: [UnsafeMutablePointer<libssh2_agent_publickey>] = []

    /// Connects to the agent and lists its keys; nil when there is no agent.
    init?(session: SessionHandle, socket: FilePath?) {
        guard let agent = libssh2_agent_init(session.pointer) else { return nil }
        self.session = session
        self.agent = agent
        if let socket { libssh2_agent_set_identity_path(agent, socket.string) }
        guard libssh2_agent_connect(agent) == 0, libssh2_agent_list_identities(agent) == 0 else { return nil }
        var identity: UnsafeMutablePointer<libssh2_agent_publickey>?
        while identities.count < SSHLimits.agentKeys {
            var next: UnsafeMutablePointer<libssh2_agent_publickey>?
            guard libssh2_agent_get_identity(agent, &next, identity) == 0, let next else { break }
            identity = next
            if Self.isUsable(next.pointee) { identities.append(next) }
        }
    }

    deinit {
        libssh2_agent_disconnect(agent)
        libssh2_agent_free(agent)
    }

    /// How many keys can be offered.
    var count: Int { identities.count }

    /// One try at logging in with a key; libssh2's code.
    func logIn(_ user: String, with index: Int) -> Int32 {
        libssh2_agent_userauth(agent, user, identities[index])
    }

    /// libssh2 1.10 signs RSA with SHA-1 only, which would just use up the host's patience.
    private static func isUsable(_ key: libssh2_agent_publickey) -> Bool {
        guard let blob = key.blob else { return false }
        var reader = WireReader(Array(UnsafeBufferPointer(start: blob, count: key.blob_len))[...])
        guard let type = reader.string() else { return false }
        return SSHSession.hostKeyTypes.contains(String(decoding: type, as: UTF8.self))
    }
}
