import Glibc
import Subprocess
import SystemPackage
import Testing

/// What a newcomer gets wrong: each mistake is answered by one line that names the place and the way out.
@Suite(.timeLimit(.minutes(5)))
struct MistakeTests {
    struct Mistake: Sendable, CustomTestStringConvertible {
        var name: String
        var words: [String]
        var status: Int32
        var says: [String]
        var testDescription: String { name }
    }

    static let mistakes: [Mistake] = [
        Mistake(name: "no hosts", words: ["status"], status: 64, says: ["seatrial hosts up"]),
        Mistake(name: "unknown lab", words: ["lab", "show", "99"], status: 64, says: ["99", "01-first-message"]),
        Mistake(
            name: "mistyped lab", words: ["lab", "show", "first-mesage"], status: 64,
            says: ["did you mean 'first-message'"]),
        Mistake(name: "unknown command", words: ["hots"], status: 64, says: ["did you mean 'seatrial hosts'"]),
        Mistake(name: "unknown mode", words: ["deploy", "m9", "-i", "TESTS/hosts.yaml"], status: 64, says: ["m9"]),
        Mistake(
            name: "unknown host", words: ["inventory", "list", "brokrs", "-i", "TESTS/hosts.yaml"], status: 64,
            says: ["brokrs", "brokers"]),
        Mistake(
            name: "YAML with a tab", words: ["inventory", "list", "-i", "TESTS/tab.yaml"], status: 64,
            says: ["tab.yaml:3", "tab"]),
        Mistake(name: "no such run", words: ["check", "nosuchrun"], status: 64, says: ["nosuchrun"]),
        Mistake(name: "too many hosts", words: ["hosts", "up", "1000"], status: 64, says: ["1000"]),
    ]

    static let fixtures = Program.checkout.appending("Tests/SystemTests/Fixtures")

    @Test(arguments: mistakes) func oneLine(_ mistake: Mistake) async throws {
        let state = try Rig.temporaryFolder()
        let words = mistake.words.map { word in
            word.hasPrefix("TESTS/") ? Self.fixtures.appending(String(word.dropFirst(6))).string : word
        }
        var all = words
        if mistake.words[0] != "hots" { all += ["--state", state.string] }
        let outcome = try await Program.run("seatrial", all)
        #expect(outcome.status == mistake.status, "\(outcome)")
        for text in mistake.says { #expect(outcome.errors.contains(text), "'\(text)' is missing: \(outcome)") }
        #expect(!outcome.errors.contains("Fatal error") && !outcome.errors.contains(".swift"), "\(outcome)")
        #expect(outcome.errorLines.count == 1 && (outcome.errorLines.first ?? "").count > 10, "\(outcome)")
        rmdir(state.string)
    }

    @Test func notRoot() async throws {
        let state = try Rig.temporaryFolder()
        let outcome = try await Program.run(
            at: "/usr/bin/setpriv",
            [
                "--reuid=65534", "--regid=65534", "--clear-groups", Program.path("seatrial").string, "hosts", "up", "1",
                "--state", state.string,
            ])
        #expect(outcome.status == 3, "\(outcome)")
        #expect(outcome.errorLines.count == 1 && outcome.errors.contains("root"), "\(outcome)")
    }

    @Test func aPropertiesFileWithABadValue() async throws {
        let outcome = try await Program.run("mqbroker", ["-c", Self.fixtures.appending("bad.properties").string])
        #expect(outcome.status != 0, "\(outcome)")
        let line = try #require(outcome.errorLines.last)
        #expect(line.contains("bad.properties:3") && line.contains("flushDiskType"), "\(outcome)")
        #expect(line.contains("SYNC_FLUSH") && line.contains("ASYNC_FLUSH"), "\(outcome)")
    }

    @Test func aPropertiesFileWithAnAddressThatIsNone() async throws {
        let file = try Rig.temporaryFolder().appending("b.properties")
        let text = "brokerName=a\nbrokerIP1=300.1.1.1\n"
        let descriptor = try FileDescriptor.open(file, .writeOnly, options: .create, permissions: .ownerReadWrite)
        _ = try descriptor.closeAfter { try descriptor.writeAll(text.utf8) }
        let outcome = try await Program.run("mqbroker", ["-c", file.string])
        #expect(outcome.status != 0, "\(outcome)")
        #expect(outcome.errors.contains("b.properties:2") && outcome.errors.contains("IPv4"), "\(outcome)")
        _ = try await Program.run(at: "/bin/rm", ["-rf", file.removingLastComponent().string])
    }

    @Test func aTakenPort() async throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(bound == 0 && listen(listener, 1) == 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &length) }
        }
        let port = UInt16(bigEndian: address.sin_port)
        let outcome = try await Program.run("mqnamesrv", ["-p", "\(port)"])
        #expect(outcome.status != 0, "\(outcome)")
        #expect(outcome.errors.contains("\(port)") && outcome.errors.contains("taken"), "\(outcome)")
    }

    @Test(arguments: ["", "hosts up", "inventory list", "deploy", "lab run", "grade", "check", "status", "destroy"])
    func everyCommandHelpsWithAnExample(_ command: String) async throws {
        let outcome = try await Program.run("seatrial", command.split(separator: " ").map(String.init) + ["--help"])
        #expect(outcome.status == 0, "\(outcome)")
        #expect(outcome.output.contains("seatrial \(command)".trimmed), "\(outcome)")
        #expect(command.isEmpty || outcome.output.contains("Example"), "\(outcome)")
    }
}

extension String {
    fileprivate var trimmed: String { String(reversed().drop { $0 == " " }.reversed()) }
}
