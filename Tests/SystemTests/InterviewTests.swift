import Glibc
import Subprocess
import SystemPackage
import Testing

/// A learner at a terminal: the questions, and the way out of them.
@Suite(.timeLimit(.minutes(2)))
struct InterviewTests {
    @Test func interruptingAQuestionEndsItAtOnce() async throws {
        try await Rig.with(hosts: 2) { rig in
            let (terminal, screen) = try Self.terminal()
            defer { close(screen) }
            let errors = rig.state.appending("errors")
            let file = try FileDescriptor.open(
                errors, .writeOnly, options: .create, permissions: .ownerReadWrite)
            let result = try await Subprocess.run(
                .path(Program.path("seatrial")),
                arguments: Arguments(["lab", "run", "01", "--state", rig.state.string]),
                workingDirectory: Program.checkout,
                input: .fileDescriptor(FileDescriptor(rawValue: terminal), closeAfterSpawningProcess: false),
                output: .fileDescriptor(FileDescriptor(rawValue: terminal), closeAfterSpawningProcess: true),
                error: .fileDescriptor(file, closeAfterSpawningProcess: true)
            ) { execution in
                let shown = Self.read(screen, until: "d) All of them\r\n> ", seconds: 20)
                #expect(shown.contains("1 of 8: ") && shown.contains("letter is enough"), "\(shown)")
                // A wrong answer first, so that the next line is being waited for in the C library.
                _ = "z\n".utf8.withContiguousStorageIfAvailable { write(screen, $0.baseAddress, $0.count) }
                let corrected = Self.read(screen, until: "answer with one of a, b, c, d\r\n> ", seconds: 5)
                #expect(corrected.contains("none of the choices"), "\(corrected)")
                try execution.send(signal: .interrupt)
                let isOver = await Self.ends(execution.processIdentifier.value, seconds: 5)
                #expect(isOver, "still there 5 s after the interruption")
                if !isOver { try execution.send(signal: .kill) }
            }
            #expect(result.terminationStatus == .exited(130))
            let said = try await Program.run(at: "/bin/cat", [errors.string]).output
            #expect(said == "seatrial: interrupted; nothing is left half done\n", "\(said)")
        }
    }

    /// `TIOCGPTN` and `TIOCSPTLCK` of Linux's `asm-generic/ioctls.h`: macros that Swift does not see.
    private static let numberOfTerminal: UInt = 0x8004_5430
    private static let lockTerminal: UInt = 0x4004_5431

    /// A new pseudo terminal: the end for the program, and the one that shows and types.
    private static func terminal() throws -> (terminal: CInt, screen: CInt) {
        let screen = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var number: CInt = -1
        var isLocked: CInt = 0
        try #require(screen >= 0)
        try #require(
            ioctl(screen, Self.numberOfTerminal, &number) == 0 && ioctl(screen, Self.lockTerminal, &isLocked) == 0)
        let terminal = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
        try #require(terminal >= 0)
        return (terminal, screen)
    }

    /// What is shown until a text comes, or the time is over.
    private static func read(_ screen: CInt, until end: String, seconds: Int64) -> String {
        let deadline = ContinuousClock.now + .seconds(seconds)
        var shown = ""
        while ContinuousClock.now < deadline, !shown.contains(end) {
            var waiting = pollfd(fd: screen, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, 100) == 1 else { continue }
            var piece = [UInt8](repeating: 0, count: 4096)
            let count = Glibc.read(screen, &piece, piece.count)
            guard count > 0 else { break }
            shown += String(decoding: piece[..<count], as: UTF8.self)
        }
        return shown
    }

    /// Whether a process is gone, or only waits to be collected, within a time.
    private static func ends(_ pid: pid_t, seconds: Int64) async -> Bool {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < deadline {
            let stat = try? await Program.run(at: "/bin/cat", ["/proc/\(pid)/stat"]).output
            guard let stat, !stat.isEmpty, !stat.contains(") Z ") else { return true }
            try? await Task.sleep(for: .milliseconds(50))
        }
        return false
    }
}
