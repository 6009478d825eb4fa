import Glibc
import Subprocess
import SystemPackage
import Testing

@testable import LabHosts

/// Real hosts on this machine. They need root, namespaces and loop devices: without these they fail with the line that
/// `seatrial hosts up` shows, and are never skipped.
@Suite(.serialized) struct LocalHostsTests {
    /// The program that can be killed in the middle of `up`, built beside the tests.
    static var driver: FilePath {
        FilePath(CommandLine.arguments[0]).removingLastComponent().appending("lab-hosts-driver")
    }

    /// A lab in a directory of its own, taken down and shown to leave nothing, also after a failure.
    func withLab(_ body: (LocalHosts, FilePath) async throws -> Void) async throws {
        try await Self.withLab(body)
    }

    static func withLab(_ body: (LocalHosts, FilePath) async throws -> Void) async throws {
        var template = Array("/tmp/seatrial-hosts-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let base = FilePath(template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) })
        let state = base.appending(".seatrial")
        let hosts = LocalHosts(stateDirectory: state, program: driver)
        let outcome: Result<Void, any Error>
        do {
            try await body(hosts, state)
            outcome = .success(())
        } catch { outcome = .failure(error) }
        try await hosts.down()
        #expect(await hosts.check().isEmpty)
        _ = try await run(["/bin/rm", "-r", base.string])
        try outcome.get()
    }

    /// Runs a program; its status and stdout.
    func run(_ arguments: String...) async throws -> (isSuccess: Bool, output: String) {
        try await Self.run(arguments)
    }

    static func run(_ arguments: [String]) async throws -> (isSuccess: Bool, output: String) {
        let result = try await Subprocess.run(
            .path(FilePath(arguments[0])), arguments: Arguments(Array(arguments.dropFirst())),
            output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
        return (result.terminationStatus.isSuccess, result.standardOutput)
    }

    /// Runs a command in a host over SSH, as a VM would be reached.
    func ssh(_ hosts: LocalHosts, _ address: String, _ command: String) async throws -> (
        isSuccess: Bool, output: String
    ) {
        try await Self.ssh(hosts, address, command)
    }

    static func ssh(_ hosts: LocalHosts, _ address: String, _ command: String) async throws -> (
        isSuccess: Bool, output: String
    ) {
        try await run([
            "/usr/bin/ssh", "-o", "BatchMode=yes", "-o", "UserKnownHostsFile=\(hosts.knownHostsPath)", "-i",
            hosts.keyPath.string, "root@\(address)", command,
        ])
    }

    @Test func hostsComeUpAnswerAndGo() async throws {
        try await withLab { hosts, state in
            let first = try await hosts.up(count: 3)
            #expect(first.hosts.map(\.name) == ["n1", "n2", "n3"] && first.booted == ["n1", "n2", "n3"])
            #expect(first.hosts.allSatisfy { $0.state == .up && $0.pid != nil })
            #expect(await hosts.check().isEmpty)
            let pids = first.hosts.map(\.pid)
            for host in first.hosts {
                let answer = try await ssh(
                    hosts, host.address,
                    "hostname; cat /proc/1/comm; ls /proc | grep -c '^[0-9]'; stat -f -c %T /srv /run /tmp; ls -d /srv/seatrial"
                )
                let lines = answer.output.split(separator: "\n").map(String.init)
                #expect(answer.isSuccess && lines.count == 7, "\(answer)")
                #expect(lines.first == host.name && lines.dropFirst().first == "tini")
                #expect((Int(lines[2]) ?? 99) < 20, "the host sees \(lines[2]) processes")
                #expect(Array(lines[3...]) == ["ext2/ext3", "tmpfs", "tmpfs", "/srv/seatrial"])
            }
            let second = try await hosts.up(count: 3)
            #expect(second.booted.isEmpty && second.hosts.map(\.pid) == pids)
            try await hosts.down()
            #expect(hosts.list().isEmpty && access(hosts.inventoryPath.string, F_OK) != 0)
            #expect(try await hosts.down().removed.isEmpty)
            #expect(await hosts.check().isEmpty)
        }
    }

    @Test func aDeadHostBootsAgainWithItsDisk() async throws {
        try await withLab { hosts, _ in
            let up = try await hosts.up(count: 2)
            #expect(try await ssh(hosts, up.hosts[1].address, "echo kept > /srv/file; sync").isSuccess)
            let pid = try #require(up.hosts[1].pid)
            kill(pid, SIGKILL)
            while hosts.list()[1].state == .up { usleep(1_000) }
            #expect(await hosts.check().allSatisfy { $0.name.contains("n2") })
            let again = try await hosts.up(count: 2)
            #expect(again.booted == ["n2"] && again.hosts[0].pid == up.hosts[0].pid)
            #expect(try await ssh(hosts, up.hosts[1].address, "cat /srv/file").output == "kept\n")
            let fewer = try await hosts.up(count: 1)
            #expect(fewer.hosts.map(\.name) == ["n1"] && fewer.hosts[0].pid == up.hosts[0].pid)
            #expect(fewer.removed == ["n2"])
            // Without a number there stay as many as there are.
            #expect(try await hosts.up().hosts.map(\.name) == ["n1"])
            #expect(await hosts.check().isEmpty)
        }
    }

    /// What somebody may do to the files beside the client's key, and how the next `up` mends it.
    @Test(arguments: ["client_ed25519", "client_ed25519.pub", "n1_ed25519", "n1_ed25519.pub", "*"])
    func keysThatWereDeletedAreMendedWithoutABoot(_ files: String) async throws {
        try await withLab { hosts, state in
            let up = try await hosts.up(count: 2)
            let keys = state.appending("hosts/keys")
            #expect(try await run("/bin/sh", "-c", "rm \(keys)/\(files)").isSuccess)
            let again = try await hosts.up(count: 2)
            #expect(again.booted.isEmpty && again.hosts.map(\.pid) == up.hosts.map(\.pid))
            for host in up.hosts {
                let answer = try await ssh(hosts, host.address, "hostname")
                #expect(answer.isSuccess && answer.output == host.name + "\n", "\(answer)")
            }
            #expect(try await run("/bin/sh", "-c", "ls \(keys) | wc -l").output == "6\n")
        }
    }

    @Test func aDamagedClientKeyIsMadeAnew() async throws {
        try await withLab { hosts, _ in
            let up = try await hosts.up(count: 1)
            #expect(try await run("/bin/sh", "-c", "echo rubbish > \(hosts.keyPath)").isSuccess)
            #expect(try await hosts.up(count: 1).booted.isEmpty)
            #expect(try await ssh(hosts, up.hosts[0].address, "true").isSuccess)
        }
    }

    @Test(arguments: [(1, 1, 1), (1, 2, 5), (2, 2, 5), (3, 3, 8), (1, 6, 10), (2, 196, 200)])
    func theSmallestSufficientNumberIsKnown(_ nameservers: Int, _ brokers: Int, _ hosts: Int) {
        #expect(LocalHosts.count(nameservers: nameservers, brokers: brokers) == hosts)
    }

    @Test func xfsDisksWorkSideBySide() async throws {
        try await withLab { hosts, _ in
            let up = try await hosts.up(count: 2, filesystem: .xfs, diskBytes: HostDisk.minimumBytes)
            for host in up.hosts {
                #expect(try await ssh(hosts, host.address, "stat -f -c %T /srv").output == "xfs\n")
            }
            await #expect(throws: LocalHostsError.self) { _ = try await hosts.up(count: 2) }
        }
    }

    @Test func noPacketLeavesTheLab() async throws {
        try await withLab { hosts, state in
            let up = try await hosts.up(count: 2)
            let (one, two) = (up.hosts[0], up.hosts[1])
            #expect(try await ssh(hosts, one.address, "exec 3<>/dev/tcp/\(two.address)/22").isSuccess)
            // A host has no way but its own subnet.
            let routes = try await ssh(hosts, one.address, "ip route; ip -6 route | grep -v 'dev lo'")
            #expect(routes.output.split(separator: "\n").count == 1 && routes.output.hasPrefix(up.subnet))
            #expect(try await !ssh(hosts, one.address, "ip route get 192.0.2.2").isSuccess)
            // Given one by hand, the machine still passes nothing on: its bridge forwards nothing.
            let identity = HostsLab(stateDirectory: state).identity
            let forwarding = FilePath("/proc/sys/net/ipv4/conf/\(identity.bridge)/forwarding")
            #expect(HostFiles.text(forwarding) == "0\n")
            // With the bridge down the machine itself can't send to the subnet any more, either.
            #expect(try await run("/sbin/ip", "route", "get", two.address).output.contains(identity.bridge))
            #expect(try await run("/sbin/ip", "link", "set", identity.bridge, "down").isSuccess)
            #expect(try await !run("/sbin/ip", "route", "get", two.address).isSuccess)
        }
    }

    @Test func aHostHasItsOwnTemporaryFolders() async throws {
        try await withLab { hosts, _ in
            let report = try await hosts.up(count: 2)
            let name = "seatrial-\(UInt32.random(in: 0...UInt32.max))"
            for folder in ["/tmp", "/var/tmp", "/run", "/root"] {
                let made = try await ssh(hosts, report.hosts[0].address, "touch \(folder)/\(name)")
                #expect(made.isSuccess, "\(made)")
                let elsewhere = try await ssh(hosts, report.hosts[1].address, "ls \(folder)/\(name)")
                #expect(!elsewhere.isSuccess, "\(folder) of one host is that of the other")
                #expect(access("\(folder)/\(name)", F_OK) != 0, "\(folder) of a host is the machine's")
            }
        }
    }

    @Test func twoLabsLeaveEachOtherAlone() async throws {
        try await withLab { first, _ in
            try await withLab { second, _ in
                async let one = first.up(count: 2)
                async let two = second.up(count: 2)
                let (a, b) = try await (one, two)
                #expect(a.subnet != b.subnet)
                try await first.down()
                #expect(await first.check().isEmpty)
                #expect(await second.check().isEmpty)
                #expect(try await second.up(count: 2).booted.isEmpty)
                #expect(try await ssh(second, b.hosts[0].address, "true").isSuccess)
            }
        }
    }

    /// `kill -9` after 3, 6, … ms: in the journal, the keys, the network, the disks, the boots, the waiting.
    @Test(arguments: Array(stride(from: 3, through: 240, by: 21))) func aKillInTheMiddleIsCleanedUp(_ milliseconds: Int)
        async throws
    {
        try await withLab { hosts, state in
            try Self.spawnAndKill([state.string, "up", "3"], after: milliseconds)
            let isEven = milliseconds % 2 == 0
            if isEven {
                try await hosts.down()
                #expect(await hosts.check().isEmpty)
            }
            let up = try await hosts.up(count: 3)
            #expect(up.hosts.allSatisfy { $0.state == .up })
            #expect(await hosts.check().isEmpty)
            #expect(try await ssh(hosts, up.hosts[2].address, "touch /srv/x").isSuccess)
        }
    }

    @Test(arguments: [5, 12, 25, 50, 90]) func aKillInTheMiddleOfDownIsCleanedUp(_ milliseconds: Int) async throws {
        try await withLab { hosts, state in
            _ = try await hosts.up(count: 3)
            try Self.spawnAndKill([state.string, "down", "3"], after: milliseconds)
            let up = try await hosts.up(count: 3)
            #expect(up.hosts.allSatisfy { $0.state == .up })
            #expect(await hosts.check().isEmpty)
        }
    }

    @Test func aKilledLabIsFoundEvenWithoutItsJournal() async throws {
        try await withLab { hosts, state in
            _ = try await hosts.up(count: 2)
            unlink(state.appending("hosts/lab.json").string)
            let kinds = Set(await hosts.check().map(\.kind))
            #expect(kinds.isSuperset(of: [.process, .link, .route, .loop, .image]))
            let down = try await hosts.down()
            #expect(!down.removed.isEmpty)
            #expect(await hosts.check().isEmpty)
        }
    }

    @Test func aMissingRightOrProgramIsNamed() async throws {
        try await withLab { _, state in
            // In a user namespace without a mapping nobody is root.
            let refused = try await run(
                "/usr/bin/unshare", "--user", "--", Self.driver.string, state.string, "up", "1")
            #expect(!refused.isSuccess && refused.output.contains("need root"), "\(refused)")
            do throws(LocalHostsError) {
                _ = try HostProgram.find("no-such-program")
                Issue.record("found")
            } catch { #expect(error.code == .missingProgram && error.message.contains("apt-get install")) }
        }
    }

    @Test func badRequestsAreRefusedInOneLine() async throws {
        try await withLab { hosts, _ in
            for count in [0, -1, LabIdentity.hostLimit + 1] {
                do throws(LocalHostsError) {
                    _ = try await hosts.up(count: count)
                    Issue.record("\(count) hosts")
                } catch { #expect(error.code == .badRequest && !error.message.contains("\n")) }
            }
            await #expect(throws: LocalHostsError.self) { _ = try await hosts.up(count: 1, diskBytes: 1 << 20) }
        }
    }

    /// Starts the driver in a process of its own and kills that, and only that, after a time.
    static func spawnAndKill(_ words: [String], after milliseconds: Int) throws {
        let arguments = [driver.string] + words
        var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        argv.append(nil)
        defer { for pointer in argv { free(pointer) } }
        var pid: pid_t = 0
        try #require(posix_spawn(&pid, arguments[0], nil, nil, argv, environ) == 0, "\(arguments[0]) did not start")
        usleep(UInt32(milliseconds) * 1_000)
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }
}
