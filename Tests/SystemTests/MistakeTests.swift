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
        Mistake(
            name: "too few hosts in the inventory", words: ["deploy", "m2-async", "-i", "TESTS/hosts.yaml"], status: 64,
            says: ["needs 2 hosts in group", "add hosts to that group"]),
        Mistake(
            name: "a limit that leaves none",
            words: ["deploy", "m1-async", "-i", "TESTS/hosts.yaml", "--limit", "!brokers"],
            status: 64, says: ["needs 1 host in group 'brokers'", "--limit '!brokers' leaves 0", "widen"]),
        Mistake(
            name: "mistyped option", words: ["lab", "run", "01", "--anwers", "x"], status: 64,
            says: ["unknown option '--anwers'; did you mean '--answers'? See 'seatrial lab run --help'"]),
        Mistake(
            name: "another command's option", words: ["status", "--yes"], status: 64,
            says: ["unknown option '--yes'; see 'seatrial status --help'"]),
        Mistake(
            name: "help for nothing", words: ["help", "hots"], status: 64,
            says: ["no command 'hots'; did you mean 'seatrial help hosts'?"]),
        Mistake(
            name: "unknown format", words: ["grade", "TESTS", "--format", "xml"], status: 64,
            says: ["'xml' is invalid for '--format <format>'; it is one of"]),
        Mistake(
            name: "empty inventory", words: ["status", "-i", "TESTS/empty.yaml"], status: 64,
            says: ["empty.yaml: no hosts in it"]),
        Mistake(
            name: "inventory without the group", words: ["deploy", "m1-async", "-i", "TESTS/nogroups.yaml"], status: 64,
            says: ["nogroups.yaml: mode m1-async needs a group 'nameservers' with 1 host; add it"]),
        Mistake(name: "too many hosts", words: ["hosts", "up", "1000"], status: 64, says: ["1000"]),
    ]

    static let fixtures = Program.checkout.appending("Tests/SystemTests/Fixtures")

    @Test(arguments: mistakes) func oneLine(_ mistake: Mistake) async throws {
        let state = try Rig.temporaryFolder()
        let words = mistake.words.map { word in
            word.hasPrefix("TESTS/") ? Self.fixtures.appending(String(word.dropFirst(6))).string : word
        }
        var all = words
        if !["hots", "help"].contains(mistake.words[0]) { all += ["--state", state.string] }
        let outcome = try await Program.run("seatrial", all)
        #expect(outcome.status == mistake.status, "\(outcome)")
        for text in mistake.says { #expect(outcome.errors.contains(text), "'\(text)' is missing: \(outcome)") }
        #expect(!outcome.errors.contains("Fatal error") && !outcome.errors.contains(".swift"), "\(outcome)")
        #expect(outcome.errorLines.count == 1 && (outcome.errorLines.first ?? "").count > 10, "\(outcome)")
        rmdir(state.string)
    }

    @Test(arguments: ["hosts up 1", "hosts down", "hosts check"]) func notRoot(_ command: String) async throws {
        let state = try Rig.temporaryFolder()
        let outcome = try await Self.asNobody(command, state)
        #expect(outcome.status == 3, "\(outcome)")
        #expect(outcome.errorLines.count == 1 && outcome.errors.contains("need root"), "\(outcome)")
        #expect(outcome.errors.contains("/seatrial \(command)"), "\(outcome)")
        rmdir(state.string)
    }

    /// Root's hosts are there: who may not read their key must not be told that there are none, nor be sent to sshd.
    @Test func notRootButRootsHostsAreUp() async throws {
        try await Rig.with(hosts: 2) { rig in
            chmod(rig.state.string, 0o755)
            for command in [
                "hosts list", "status", "deploy m1-async", "destroy", "lab run 01 --yes",
                "grade labs/01-first-message/solution",
            ] {
                let outcome = try await Self.asNobody(command, rig.state)
                #expect(outcome.status == 3, "\(command): \(outcome)")
                #expect(outcome.errorLines.count == 1, "\(command): \(outcome)")
                #expect(outcome.errors.contains("root's: run 'sudo "), "\(command): \(outcome)")
                #expect(outcome.errors.contains("/seatrial \(command)"), "\(command): \(outcome)")
            }
        }
    }

    private static func asNobody(_ command: String, _ state: FilePath) async throws -> Program.Outcome {
        // The checkout may lie where only root may go: what is needed stands in a place of its own.
        let folder = try Rig.temporaryFolder()
        let made = try await Program.run(
            at: "/bin/sh",
            [
                "-c", "cp $0 $2/ && cp -r $1 $2/ && chmod -R a+rX $2", Program.path("seatrial").string,
                Program.checkout.appending("labs").string, folder.string,
            ])
        try #require(made.status == 0, "\(made)")
        let outcome = try await Program.run(
            at: "/usr/bin/setpriv",
            ["--reuid=65534", "--regid=65534", "--clear-groups", folder.appending("seatrial").string]
                + command.split(separator: " ").map(String.init) + ["--state", state.string],
            in: folder)
        _ = try await Program.run(at: "/bin/rm", ["-rf", folder.string])
        return outcome
    }

    @Test func fewerHostsAndTooFewHosts() async throws {
        try await Rig.with(hosts: 3) { rig in
            let tooFew = try await rig.seatrial("deploy", "m2-async")
            #expect(tooFew.status == 64 && tooFew.errorLines.count == 1, "\(tooFew)")
            #expect(tooFew.errors.contains("needs 2 hosts in group 'nameservers', there is 1"), "\(tooFew)")
            #expect(tooFew.errors.contains("'seatrial hosts up 5'"), "\(tooFew)")
            let fewer = try await rig.seatrial("hosts", "up", "2")
            #expect(fewer.status == 0 && fewer.output.contains("taken down, with all on their disks: n3"), "\(fewer)")
            #expect(fewer.output.contains("'seatrial hosts up 3'"), "\(fewer)")
            let same = try await rig.seatrial("hosts", "up")
            #expect(same.status == 0 && same.output.contains("2 host(s) up"), "\(same)")
        }
    }

    @Test func aLabIsRefusedBeforeItAsksWhileAClusterIsUp() async throws {
        try await Rig.with(hosts: 2) { rig in
            let deploy = try await rig.seatrial("deploy", "m1-async")
            try #require(deploy.status == 0, "\(deploy)")
            let run = try await rig.seatrial("lab", "run", "01", "--yes")
            #expect(run.status == 3 && run.errorLines.count == 1, "\(run)")
            #expect(run.errors.contains("still there") && run.errors.contains("seatrial destroy"), "\(run)")
        }
    }

    @Test func trustLooksAtEveryHostAlthoughOneIsNotReached() async throws {
        try await Rig.with(hosts: 1) { rig in
            let list = try await rig.seatrial("inventory", "list", "--json")
            let address = try #require(list.output.firstMatch(of: /198\.\d+\.\d+\.11/)).output
            let text = """
                all:
                  hosts:
                    gone: {ansible_host: \(address.dropLast(2))99}
                    here: {ansible_host: \(address)}
                  vars: {ansible_ssh_common_args: "-o UserKnownHostsFile=\(rig.state)/known"}

                """
            let file = rig.state.appending("two.yaml")
            let descriptor = try FileDescriptor.open(
                file, .writeOnly, options: .create, permissions: .ownerReadWrite)
            _ = try descriptor.closeAfter { try descriptor.writeAll(text.utf8) }
            let trust = try await rig.seatrial("trust", "--yes", "-i", file.string)
            #expect(trust.status == 3, "\(trust)")
            #expect(trust.output.contains("gone: NOT REACHED"), "\(trust)")
            #expect(trust.output.contains("here: recorded in"), "\(trust)")
            #expect(trust.errors.contains("gone: no key was had (1 of 2 hosts)"), "\(trust)")
        }
    }

    @Test(arguments: [
        ("mqnamesrv", ["--prot", "1"], "unknown option '--prot'"),
        ("mqbroker", ["--confg", "x"], "unknown option '--confg'"),
        ("mqadmin", ["scanStroe"], "scanStroe"), ("mqadmin", ["scanStore"], "--store"),
        ("mqbench", ["produce", "--size", "-1"], "size"), ("seatrial-agent", ["sreve"], "no command 'sreve'"),
    ])
    func theOtherProgramsTakeOneLine(_ program: String, _ words: [String], _ says: String) async throws {
        let outcome = try await Program.run(program, words)
        #expect(outcome.status == 64, "\(outcome)")
        #expect(outcome.errorLines.count == 1 && outcome.output.isEmpty, "\(outcome)")
        #expect(outcome.errors.hasPrefix("\(program): ") && outcome.errors.contains(says), "\(outcome)")
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

    @Test(arguments: [
        "", "hosts", "hosts up", "hosts down", "hosts list", "hosts check", "inventory", "inventory list",
        "inventory graph", "trust", "deploy", "status", "destroy", "upload", "lab", "lab list", "lab show", "lab run",
        "grade", "check", "runs", "trial", "trial run", "hosts power", "hosts power off", "hosts power on",
        "start", "stop", "restart", "logs", "fault", "fault apply", "fault list", "fault revert", "fault heal",
        "fault catalogue",
    ])
    func everyCommandHelpsWithAnExample(_ command: String) async throws {
        let outcome = try await Program.run("seatrial", command.split(separator: " ").map(String.init) + ["--help"])
        #expect(outcome.status == 0, "\(outcome)")
        #expect(outcome.output.contains("seatrial \(command)".trimmed), "\(outcome)")
        #expect(command.isEmpty || outcome.output.contains("Example"), "\(outcome)")
        let lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.allSatisfy { $0.count <= 80 }, "\(lines.filter { $0.count > 80 })")
        // An example that had to be broken goes on at the left edge.
        let examples = lines.drop { !$0.hasPrefix("Examples:") && !$0.hasPrefix("Begin here:") }.dropFirst()
            .prefix { !$0.isEmpty }
        #expect(examples.allSatisfy { $0.hasPrefix("  ") }, "\(examples)")
    }
}

extension String {
    fileprivate var trimmed: String { String(reversed().drop { $0 == " " }.reversed()) }
}
