public import SystemPackage

/// One way to prove who we are; a configuration lists them in the order in which they are tried.
///
/// Keys are ed25519 or ECDSA. RSA is refused with a clear error: libssh2 1.10 signs RSA with SHA-1 only, which
/// today's `sshd` does not accept.
public enum SSHCredential: Sendable {
    /// The keys of the `ssh-agent` behind `SSH_AUTH_SOCK`.
    case agent
    /// The keys of the `ssh-agent` behind the given socket.
    case agentSocket(FilePath)
    /// A private key file, in OpenSSH's or PEM form.
    case privateKey(FilePath, passphrase: String? = nil)
    /// A password, which must have come from a prompt or a file descriptor: never from argv or a log.
    case password(String)
}
