import Glibc
import SystemPackage
import Testing

@testable import LabHosts

extension LocalHostsTests {
    /// The power of single hosts: what is lost with it, what is kept, and who brings it back.
    @Suite(.serialized) struct PowerTests {
        /// Writes one file that is synced and three that are not: by a call, by a new name, and through a mapping.
        private static let writing = """
            import mmap, os
            size = 1 << 20
            def make(name):
                file = os.open('/srv/' + name, os.O_RDWR | os.O_CREAT)
                os.ftruncate(file, size)
                os.fsync(file)
                return file
            synced, written, mapped = make('synced'), make('written'), make('mapped')
            folder = os.open('/srv', os.O_RDONLY)
            os.fsync(folder)
            os.pwrite(synced, b's' * size, 0)
            os.fdatasync(synced)
            os.pwrite(written, b'w' * size, 0)
            memory = mmap.mmap(mapped, size)
            memory[:] = b'm' * size
            open('/srv/named', 'w').write('n')
            print('written', flush=True)
            """

        /// What of those files is there: bytes that are not zero.
        private static let reading =
            "cd /srv; for f in synced written mapped; do tr -d '\\0' < $f | wc -c; done; ls named 2>/dev/null | wc -l"

        @Test(arguments: HostFilesystem.allCases) func whatWasNotSyncedIsLostAndWhatWasIsKept(
            _ filesystem: HostFilesystem
        ) async throws {
            try await withLab { hosts, _ in
                let up = try await hosts.up(count: 1, filesystem: filesystem, diskBytes: HostDisk.minimumBytes)
                let address = up.hosts[0].address
                let written = try await ssh(hosts, address, "python3 - <<'END'\n\(Self.writing)\nEND")
                #expect(written.output == "written\n", "\(written)")
                #expect(try await ssh(hosts, address, Self.reading).output == "1048576\n1048576\n1048576\n1\n")
                try await hosts.powerOff("n1")
                try await hosts.powerOn("n1")
                #expect(try await ssh(hosts, address, Self.reading).output == "1048576\n0\n0\n0\n")
                // The control: a kill of all processes, after which the kernel unmounts the disk as it should be.
                _ = try await ssh(hosts, address, "python3 - <<'END'\n\(Self.writing)\nEND")
                kill(try #require(hosts.list()[0].pid), SIGKILL)
                try await hosts.powerOn("n1")
                #expect(try await ssh(hosts, address, Self.reading).output == "1048576\n1048576\n1048576\n1\n")
            }
        }

        @Test func offAndOnAreIdempotentAndTouchNobodyElse() async throws {
            try await withLab { hosts, state in
                let up = try await hosts.up(count: 2)
                let inventory = HostFiles.text(hosts.inventoryPath)
                #expect(try await hosts.powerOff("n1") == .withDisk)
                #expect(try await hosts.powerOff("n1") == .nothing)
                #expect(hosts.list().map(\.state) == [.off, .up] && hosts.list()[0].pid == nil)
                #expect(!hosts.isHalfUp)
                #expect(await hosts.check().isEmpty, "a host that is off is no leftover")
                #expect(!HostProbe.greets(up.hosts[0].address, milliseconds: 200))
                #expect(try await ssh(hosts, up.hosts[1].address, "hostname").output == "n2\n")
                #expect(try await hosts.powerOn("n1"))
                let first = hosts.list()
                #expect(try await !hosts.powerOn("n1"))
                #expect(hosts.list() == first && first.map(\.state) == [.up, .up])
                #expect(first[1].pid == up.hosts[1].pid && first[0].address == up.hosts[0].address)
                #expect(HostFiles.text(hosts.inventoryPath) == inventory)
                #expect(try await ssh(hosts, up.hosts[0].address, "hostname").output == "n1\n")
                // All off: the lab's network stays for whoever comes back.
                for host in ["n1", "n2"] { try await hosts.powerOff(host) }
                #expect(await hosts.check().isEmpty)
                #expect(try await hosts.up(count: 2).booted == ["n1", "n2"])
                for name in ["n3", "", "../n1"] {
                    await #expect(throws: LocalHostsError.self) { try await hosts.powerOff(name) }
                    await #expect(throws: LocalHostsError.self) { try await hosts.powerOn(name) }
                }
                await #expect(throws: LocalHostsError.self) { try await hosts.powerOff("n1", for: 0) }
                let line = "seatrial_power_on: '\(Self.driver) hosts power on n1 --state \(state)'"
                #expect(inventory?.contains(line) == true, "\(inventory ?? "")")
            }
        }

        @Test func aDeadMachineSendsNoFarewell() async throws {
            try await withLab { hosts, _ in
                let up = try await hosts.up(count: 1)
                let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                defer { close(socket) }
                var address = sockaddr_in()
                address.sin_family = sa_family_t(AF_INET)
                address.sin_port = UInt16(22).bigEndian
                inet_pton(AF_INET, up.hosts[0].address, &address.sin_addr)
                let connected = withUnsafePointer(to: &address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
                try #require(connected == 0)
                var greeting = [UInt8](repeating: 0, count: 256)
                try #require(read(socket, &greeting, 256) > 0)
                try await hosts.powerOff("n1")
                var heard = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
                #expect(poll(&heard, 1, 300) == 0, "the connection was ended: \(heard.revents)")
            }
        }

        @Test func aLoanEndsByItselfAndOnlyTheLatestCounts() async throws {
            try await withLab { hosts, state in
                let up = try await hosts.up(count: 1)
                // The controller is another process, and dead when the loan is due.
                let off = try await run([
                    Self.driver.string, "hosts", "power", "off", "n1", "--state", state.string, "--for", "0.6",
                ])
                #expect(off.isSuccess && hosts.list()[0].state == .off)
                #expect(await hosts.check().isEmpty, "who waits to boot a host is no leftover")
                try await waitUntilUp(hosts)
                #expect(try await ssh(hosts, up.hosts[0].address, "hostname").output == "n1\n")
                // A second loan takes the first one's place; one that is taken back boots nobody.
                try await hosts.powerOff("n1", for: 0.3)
                try await hosts.powerOff("n1", for: 60)
                usleep(600_000)
                #expect(hosts.list()[0].state == .off)
                try await hosts.powerOn("n1")
                let pid = hosts.list()[0].pid
                #expect(await hosts.check().isEmpty, "a loan's process outlives it")
                try await hosts.powerOff("n1", for: 60)
                try await hosts.powerOff("n1")
                #expect(HostProcesses.find(HostsLab(stateDirectory: state).identity).isEmpty && pid != nil)
            }
        }

        /// `kill -9` of whoever cuts or restores the power, at some moment of it.
        @Test(arguments: [2, 6, 12, 20, 35, 60]) func aKillInTheMiddleIsMended(_ milliseconds: Int) async throws {
            try await withLab { hosts, state in
                let up = try await hosts.up(count: 2)
                let address = up.hosts[0].address
                #expect(try await ssh(hosts, address, "echo kept > /srv/kept; sync /srv/kept /srv").isSuccess)
                for verb in ["off", "on"] {
                    let words = ["hosts", "power", verb, "n1", "--state", state.string]
                    try LocalHostsTests.spawnAndKill(words, after: milliseconds)
                    if milliseconds % 4 == 0 { _ = try await hosts.up(count: 2) } else { try await hosts.powerOn("n1") }
                    #expect(hosts.list().map(\.state) == [.up, .up] && !hosts.isHalfUp)
                    #expect(await hosts.check().isEmpty)
                    #expect(try await ssh(hosts, address, "cat /srv/kept").output == "kept\n")
                    #expect(hosts.list()[1].pid == up.hosts[1].pid)
                    if verb == "off" { try await hosts.powerOff("n1") }
                }
            }
        }

        /// The timer comes first: what can't have one is not done.
        @Test func aCutThatNobodyCouldEndIsNotMade() async throws {
            try await withLab { hosts, state in
                let up = try await hosts.up(count: 1)
                let journal = HostFiles.text(state.appending("hosts/lab.json"))
                let other = LocalHosts(stateDirectory: state, program: "/no/such/program")
                await #expect(throws: LocalHostsError.self) { try await other.powerOff("n1", for: 30) }
                #expect(HostFiles.text(state.appending("hosts/lab.json")) == journal)
                #expect(hosts.list() == up.hosts && !hosts.isHalfUp)
            }
        }

        /// A timer whose loan no journal tells of: its maker was killed in between. It waits as long as somebody works, and
        /// ends then.
        @Test func aTimerWithoutALoanEnds() async throws {
            try await withLab { hosts, state in
                _ = try await hosts.up(count: 1)
                let lock = try HostsLock(state.appending("hosts/lock"), waitSeconds: 5)
                var pid: pid_t = 0
                let texts = [
                    Self.driver.string, "hosts", "power", "when-due", "n1", "--state", state.string, "--loan", "f00",
                ]
                var words: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) }
                words.append(nil)
                defer { for word in words { free(word) } }
                try #require(posix_spawn(&pid, Self.driver.string, nil, nil, words, environ) == 0)
                var status: CInt = 0
                usleep(300_000)
                #expect(waitpid(pid, &status, WNOHANG) == 0, "it ended while its loan might still be written")
                lock.release()
                #expect(waitpid(pid, &status, 0) == pid && hosts.list()[0].state == .up)
            }
        }

        /// `kill -9` at some moment of a cut that ends by itself, and of the boot that ends it early: nobody helps, and the
        /// host is up again.
        @Test(arguments: [3, 5, 8, 11, 14, 18, 23, 30, 45, 70]) func aLoanEndsWhoeverIsKilled(_ milliseconds: Int)
            async throws
        {
            try await withLab { hosts, state in
                let up = try await hosts.up(count: 1)
                let off = ["hosts", "power", "off", "n1", "--state", state.string, "--for", "0.5"]
                try LocalHostsTests.spawnAndKill(off, after: milliseconds)
                usleep(500_000)
                try await waitUntilUp(hosts)
                try await hosts.powerOff("n1", for: 1)
                let on = ["hosts", "power", "on", "n1", "--state", state.string]
                try LocalHostsTests.spawnAndKill(on, after: milliseconds * 2)
                try await waitUntilUp(hosts)
                #expect(try await ssh(hosts, up.hosts[0].address, "hostname").output == "n1\n")
                // A timer that lost its loan ends when it looks next.
                let deadline = ContinuousClock.now + .seconds(5)
                while await !hosts.check().isEmpty, ContinuousClock.now < deadline {
                    try await Task.sleep(for: .milliseconds(20))
                }
                #expect(await hosts.check().isEmpty)
            }
        }

        /// A host whose disk is not mounted loses nothing with its power, and that is said.
        @Test func aCutWithoutADiskIsNone() async throws {
            try await withLab { hosts, _ in
                let up = try await hosts.up(count: 1)
                #expect(try await ssh(hosts, up.hosts[0].address, "umount -l /srv").isSuccess)
                #expect(try await hosts.powerOff("n1") == .withoutDisk)
            }
        }

        @Test func aFilesystemThatIsNotTheHostsIsLeftAlone() throws {
            // This process shows the machine's own /srv.
            let stranger = HostShutdown(pid: getpid(), image: "/tmp/no-such.img")
            #expect(try !stranger.perform())
        }

        private func waitUntilUp(_ hosts: LocalHosts) async throws {
            let deadline = ContinuousClock.now + .seconds(10)
            while hosts.list()[0].state != .up || hosts.isHalfUp {
                try #require(ContinuousClock.now < deadline, "the loan did not end")
                try await Task.sleep(for: .milliseconds(20))
            }
        }

        private static var driver: FilePath { LocalHostsTests.driver }

        private func withLab(_ body: (LocalHosts, FilePath) async throws -> Void) async throws {
            try await LocalHostsTests.withLab(body)
        }

        private func run(_ words: [String]) async throws -> (isSuccess: Bool, output: String) {
            try await LocalHostsTests.run(words)
        }

        private func ssh(
            _ hosts: LocalHosts, _ address: String, _ command: String
        ) async throws -> (isSuccess: Bool, output: String) {
            try await LocalHostsTests.ssh(hosts, address, command)
        }
    }
}
