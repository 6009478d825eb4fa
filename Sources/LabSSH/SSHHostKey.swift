/// The public key by which a host is recognised.
public struct SSHHostKey: Sendable, Hashable {
    /// The key's kind, as `known_hosts` names it: `ssh-ed25519`, `ecdsa-sha2-nistp256`, …
    public var type: String
    /// The host's name in `known_hosts`: `host`, or `[host]:port` when the port is not 22.
    public var host: String
    /// The key itself, in SSH's wire form (RFC 4253 §6.6).
    public var blob: [UInt8]

    /// Makes a host key from its wire form.
    public init(host: String, type: String, blob: [UInt8]) {
        self.host = host
        self.type = type
        self.blob = blob
    }

    /// `SHA256:` and the unpadded base64 of the key's SHA-256, as `ssh-keygen -l` prints it.
    public var fingerprint: String { "SHA256:" + Base64.encode(Digests.sha256(blob), padded: false) }
    /// The line that records this key in a `known_hosts` file, without the line's end.
    public var knownHostsLine: String { "\(host) \(type) \(Base64.encode(blob))" }
}
