import SystemPackage

/// What a private key file says about itself before it is used: its kind, and whether it asks for a passphrase.
///
/// libssh2 tells a wrong passphrase, an RSA key and rubbish apart by no more than "unable to extract public key", so
/// the file is looked at first. A pure value over the file's text.
struct PrivateKeyFile: Hashable {
    /// The kinds of key file.
    enum Kind: Hashable {
        /// A key that libssh2 can use.
        case usable
        /// An RSA key, which libssh2 1.10 can only sign with SHA-1.
        case rsa
        /// A key on a hardware token, or of an old kind; the name is the file's own.
        case unsupported(String)
        /// Not a private key.
        case notAKey
    }

    var kind: Kind
    var isEncrypted: Bool

    /// Looks at the text of a key file: OpenSSH's own form (PROTOCOL.key) or PEM.
    init(text: String) {
        let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmed }
        guard let begin = lines.firstIndex(where: { $0.hasPrefix("-----BEGIN ") && $0.hasSuffix("PRIVATE KEY-----") })
        else {
            (kind, isEncrypted) = (.notAKey, false)
            return
        }
        let label = lines[begin].dropFirst("-----BEGIN ".count).dropLast("-----".count)
        let body = lines[(begin + 1)...].prefix { !$0.hasPrefix("-----") }
        switch label {
        case "OPENSSH PRIVATE KEY":
            (kind, isEncrypted) = Self.openSSH(Base64.decode(body.joined()) ?? [])
        case "RSA PRIVATE KEY":
            (kind, isEncrypted) = (.rsa, body.contains { $0.contains("ENCRYPTED") })
        case "DSA PRIVATE KEY":
            (kind, isEncrypted) = (.unsupported("ssh-dss"), body.contains { $0.contains("ENCRYPTED") })
        case "ENCRYPTED PRIVATE KEY":
            (kind, isEncrypted) = (.usable, true)
        default:
            (kind, isEncrypted) = (.usable, body.contains { $0.contains("ENCRYPTED") })
        }
    }

    /// `openssh-key-v1\0`, then cipher, KDF and its options as strings, the count of keys, and the public key, whose
    /// first string is its kind.
    private static func openSSH(_ bytes: [UInt8]) -> (Kind, Bool) {
        let magic = Array("openssh-key-v1\0".utf8)
        guard bytes.starts(with: magic) else { return (.notAKey, false) }
        var reader = WireReader(bytes.dropFirst(magic.count))
        guard let cipher = reader.string(), reader.string() != nil, reader.string() != nil, reader.uint32() != nil,
            let publicKey = reader.string()
        else { return (.notAKey, false) }
        var inner = WireReader(publicKey)
        let type = String(decoding: inner.string() ?? [], as: UTF8.self)
        let isEncrypted = String(decoding: cipher, as: UTF8.self) != "none"
        switch type {
        case "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521":
            return (.usable, isEncrypted)
        case "ssh-rsa": return (.rsa, isEncrypted)
        default: return (.unsupported(type), isEncrypted)
        }
    }
}

/// Reads SSH's wire types (RFC 4251 §5): big-endian numbers, and strings after their length.
struct WireReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func uint32() -> UInt32? {
        guard rest.count >= 4 else { return nil }
        defer { rest = rest.dropFirst(4) }
        return rest.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    mutating func string() -> ArraySlice<UInt8>? {
        guard let count = uint32(), rest.count >= Int(count) else { return nil }
        defer { rest = rest.dropFirst(Int(count)) }
        return rest.prefix(Int(count))
    }
}

extension Substring {
    /// Without white space at both ends.
    var trimmed: Substring {
        guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return self[first...last]
    }
}
