import Glibc
import SystemPackage
import Testing

@testable import LabSSH

@Suite struct KnownHostsTests {
    private let key = SSHHostKey(host: "b1", type: "ssh-ed25519", blob: [1, 2, 3, 4])

    private func judge(_ text: String, host: String = "b1") -> KnownHosts.Verdict {
        var known = KnownHosts()
        known.add(text: text, file: "known")
        var key = key
        key.host = host
        return known.judge(key)
    }

    @Test(arguments: [
        ("", "b1", KnownHosts.Verdict.unknown),
        ("b1 ssh-ed25519 AQIDBA==", "b1", .known),
        ("b1 ssh-ed25519 AQIDBA== a comment\r", "b1", .known),
        ("b2,B1 ssh-ed25519 AQIDBA==", "b1", .known),
        ("b* ssh-ed25519 AQIDBA==", "b1", .known),
        ("b?,!b1 ssh-ed25519 AQIDBA==", "b1", .unknown),
        ("b1 ssh-ed25519 AQIDBA==", "[b1]:2222", .unknown),
        ("[b1]:2222 ssh-ed25519 AQIDBA==", "[b1]:2222", .known),
        ("# note\n\nb1 ssh-ed25519 AAAA", "b1", .changed(file: "known", line: 3)),
        ("b1 ecdsa-sha2-nistp256 AAAA", "b1", .changed(file: "known", line: 1)),
        ("b1 ssh-ed25519 AAAA\nb1 ssh-ed25519 AQIDBA==", "b1", .known),
        ("@revoked * ssh-ed25519 AQIDBA==\nb1 ssh-ed25519 AQIDBA==", "b1", .revoked(file: "known", line: 1)),
        ("@cert-authority * ssh-ed25519 AAAA", "b1", .unknown),
        ("not a line\nb1 ssh-ed25519 ====", "b1", .unknown),
        // ssh-keygen -H of `example.org`.
        ("|1|MDEyMzQ1Njc4OTAxMjM0NTY3ODk=|XXXX= ssh-ed25519 AQIDBA==", "b1", .unknown),
    ])
    func linesAreJudged(text: String, host: String, verdict: KnownHosts.Verdict) {
        #expect(judge(text, host: host) == verdict)
    }

    @Test func hashedNamesMatch() {
        let salt = [UInt8](repeating: 5, count: 20)
        let hash = Digests.hmacSHA1(key: salt, Array("b1".utf8))
        let line = "|1|\(Base64.encode(salt))|\(Base64.encode(hash)) ssh-ed25519 AQIDBA=="
        #expect(judge(line) == .known)
        #expect(judge(line, host: "b2") == .unknown)
    }

    @Test func whatOpenSSHHashedIsFound() throws {
        let scratch = try Scratch()
        let file = try scratch.write(Array("b1 ssh-ed25519 \(Self.realKey)\n".utf8), to: "known")
        try Spawned.run(["ssh-keygen", "-q", "-H", "-f", file.string])
        var known = try HostKeys.load([file, scratch.file("absent")])
        #expect(known.types(for: "b1") == ["ssh-ed25519"])
        #expect(known.types(for: "b2") == [])
        known.add(text: "b1 ecdsa-sha2-nistp256 AAAA", file: "more")
        #expect(known.types(for: "b1") == ["ssh-ed25519", "ecdsa-sha2-nistp256"])
    }

    /// The public half of a key whose private half was thrown away.
    private static let realKey = Base64.encode(
        [0, 0, 0, 11] + Array("ssh-ed25519".utf8) + [0, 0, 0, 32] + [UInt8](repeating: 9, count: 32))

    @Test func appendingKeepsWhatIsThere() throws {
        let scratch = try Scratch()
        let file = try scratch.write(Array("first line without end".utf8), to: "known")
        try HostKeys.append(key, to: file)
        try HostKeys.append(key, to: file)
        let line = "b1 ssh-ed25519 AQIDBA=="
        #expect(
            String(decoding: try scratch.read("known"), as: UTF8.self)
                == "first line without end\n\(line)\n\(line)\n")
        #expect(try HostKeys.judge(key, knownHosts: [file]) == .known)
    }

    /// As `ssh` does for a home that never had a key.
    @Test func appendingMakesTheFolder() throws {
        let scratch = try Scratch()
        let file = scratch.file("home").appending("known_hosts")
        try HostKeys.append(key, to: file)
        var status = stat()
        #expect(stat(scratch.file("home").string, &status) == 0 && status.st_mode & 0o777 == 0o700)
        #expect(try HostKeys.judge(key, knownHosts: [file]) == .known)
    }

    @Test func base64GoesBothWays() {
        for count in 0..<20 {
            let bytes = (0..<count).map { UInt8($0 * 37 % 256) }
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
            #expect(Base64.decode(Base64.encode(bytes, padded: false)) == bytes)
        }
        #expect(Base64.encode(Array("any carnal pleas".utf8)) == "YW55IGNhcm5hbCBwbGVhcw==")
        #expect(Base64.decode("a b") == nil)
        #expect(Base64.decode("A") == nil)
    }

    @Test func digestsAreTheKnownOnes() {
        #expect(
            Digests.hex(Digests.sha256(Array("abc".utf8)))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            Digests.hex(Digests.hmacSHA1(key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8)))
                == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
    }

    @Test func proxyCommandsAreFilledIn() {
        let endpoint = SSHEndpoint(host: "b1", port: 2222, user: "ops")
        #expect(ProxyLink.expand("nc %h %p # %r %% %x %", for: endpoint) == "nc b1 2222 # ops % %x %")
        #expect(Shell.command(["it's", "$x"]) == "'it'\\''s' '$x'")
    }

    @Test func keepalivesAreCounted() {
        var watch = KeepaliveWatch(limit: 3)
        let seen = [10, 10, 10, 20, 20, 20, 20, 20]
        #expect(seen.map { watch.tick(seen: $0) } == [true, true, true, true, true, true, true, false])
    }
}
