public import SystemPackage

/// The keys of known hosts, as OpenSSH's `known_hosts` files hold them (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
///
/// Names may be plain, with wildcards, negated or hashed. `@revoked` is honoured; `@cert-authority` is skipped, as
/// libssh2 has no certificates. A pure value: parsing and judging touch no file.
public struct KnownHosts: Sendable {
    /// One line of a file.
    struct Entry: Sendable {
        var patterns: String
        var type: String
        var blob: [UInt8]
        var isRevoked: Bool
        var file: FilePath
        var line: Int
    }

    /// What the files say about a host's key.
    public enum Verdict: Sendable, Hashable {
        /// The key is on record.
        case known
        /// The host is not on record at all.
        case unknown
        /// The host is on record with another key, in that file and line.
        case changed(file: FilePath, line: Int)
        /// The key was revoked in that file and line.
        case revoked(file: FilePath, line: Int)
    }

    private(set) var entries: [Entry] = []

    /// An empty record: every host is unknown.
    public init() {}

    /// Adds a file's text. Lines that are not understood are skipped, as OpenSSH does.
    public mutating func add(text: String, file: FilePath) {
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            var fields = line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\r\n" || $0 == "\r" })[...]
            guard let first = fields.first, !first.hasPrefix("#") else { continue }
            var isRevoked = false
            if first.hasPrefix("@") {
                guard first == "@revoked" else { continue }
                isRevoked = true
                fields = fields.dropFirst()
            }
            guard fields.count >= 3 else { continue }
            let start = fields.startIndex
            guard let blob = Base64.decode(fields[start + 2]), !blob.isEmpty else { continue }
            entries.append(
                Entry(
                    patterns: String(fields[start]), type: String(fields[start + 1]), blob: blob, isRevoked: isRevoked,
                    file: file, line: index + 1))
        }
    }

    /// Judges the key that a host showed. Revocation wins over everything, a match over a mismatch.
    public func judge(_ key: SSHHostKey) -> Verdict {
        var changed: Entry?
        var isKnown = false
        for entry in entries where entry.matches(key.host) {
            if entry.isRevoked {
                if entry.blob == key.blob { return .revoked(file: entry.file, line: entry.line) }
            } else if entry.blob == key.blob {
                isKnown = true
            } else if changed == nil || entry.type == key.type {
                changed = entry
            }
        }
        if isKnown { return .known }
        if let changed { return .changed(file: changed.file, line: changed.line) }
        return .unknown
    }

    /// The kinds of key on record for a host, so that the handshake can ask for one that can be checked.
    func types(for host: String) -> [String] {
        var types: [String] = []
        for entry in entries where !entry.isRevoked && entry.matches(host) && !types.contains(entry.type) {
            types.append(entry.type)
        }
        return types
    }
}

extension KnownHosts.Entry {
    /// Whether the line speaks of the host: one pattern matches, and no negated one does.
    func matches(_ host: String) -> Bool {
        if patterns.hasPrefix("|") { return matchesHashed(host) }
        let name = Array(host.lowercased().utf8)
        var found = false
        for pattern in patterns.lowercased().split(separator: ",") {
            if pattern.hasPrefix("!") {
                if Self.matches(pattern: Array(pattern.dropFirst().utf8), name) { return false }
            } else if Self.matches(pattern: Array(pattern.utf8), name) {
                found = true
            }
        }
        return found
    }

    /// `|1|salt|HMAC-SHA1(salt, host)`, both in base64.
    private func matchesHashed(_ host: String) -> Bool {
        let parts = patterns.split(separator: "|", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[1] == "1", let salt = Base64.decode(parts[2]), let hash = Base64.decode(parts[3])
        else { return false }
        return Digests.hmacSHA1(key: salt, Array(host.lowercased().utf8)) == hash
    }

    /// `*` and `?` as in ssh_config(5). Linear: the last star is the only one that is ever retried.
    private static func matches(pattern: [UInt8], _ name: [UInt8]) -> Bool {
        var at = 0
        var place = 0
        var star: (pattern: Int, name: Int)?
        while place < name.count {
            if at < pattern.count, pattern[at] == UInt8(ascii: "*") {
                star = (at, place)
                at += 1
            } else if at < pattern.count, pattern[at] == UInt8(ascii: "?") || pattern[at] == name[place] {
                at += 1
                place += 1
            } else if let last = star {
                star = (last.pattern, last.name + 1)
                at = last.pattern + 1
                place = last.name + 1
            } else {
                return false
            }
        }
        return pattern[at...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
