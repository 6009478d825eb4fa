import ArgumentParser
import Glibc
import LabChaos
import LabCluster
import LabCourse
import LabInventory
import LabTrials
import Synchronization

/// Ends the program: one line for a person, one exit status for a machine.
enum Exit {
    /// Wrong words on the command line (`EX_USAGE` of sysexits.h).
    static let usage: Int32 = 64
    /// The lab itself broke.
    static let labError: Int32 = 3
    /// What a shell shows for a program that SIGINT ended.
    static let interrupted: Int32 = 130

    /// Runs the command; SIGINT and SIGTERM cancel it, so that it can clean up; a second one ends the program at once.
    static func run(_ body: @escaping @Sendable () async throws -> Void) async -> Never {
        signal(SIGPIPE, SIG_IGN)
        let work = Task { try await body() }
        let interrupts = Interrupts { count in
            guard CleanUp.isNeeded else {
                Terminal.complain("interrupted; nothing is left half done")
                leave(interrupted)
            }
            guard count == 1 else {
                Terminal.complain(
                    "left at once: what was up stays up; 'seatrial status' shows it, 'seatrial destroy' removes it")
                leave(interrupted)
            }
            Terminal.complain(
                "interrupted: finishing and cleaning up (press Ctrl-C again to leave everything as it is)")
            work.cancel()
        }
        let status: Int32
        do {
            try await work.value
            status = 0
        } catch {
            status = report(error, wasInterrupted: interrupts.count > 0)
        }
        interrupts.stop()
        leave(status)
    }

    /// Ends the process without running the libraries' exit handlers: OpenSSL's would take away what sessions on other
    /// threads are still closing with.
    private static func leave(_ status: Int32) -> Never {
        Terminal.flushOutput()
        _exit(status)
    }

    private static func report(_ error: any Error, wasInterrupted: Bool) -> Int32 {
        if wasInterrupted {
            // What a library says of having been cancelled is no news to whoever cancelled.
            let isEcho = error is CancellationError || error is ExitCode || "\(error)".contains("cancelled")
            if !isEcho { Terminal.complain("\(error)") }
            return interrupted
        }
        if let code = error as? ExitCode { return code.rawValue }
        switch Seatrial.exitCode(for: error) {
        case .success:
            print(Seatrial.fullMessage(for: error, columns: Terminal.helpColumns))
            return 0
        case .validationFailure:
            Terminal.complain(UsageLine.of(error))
            return usage
        default:
            Terminal.complain("\(error)")
            return isCallersMistake(error) ? usage : labError
        }
    }

    /// Whether the words on the command line, or the files that they name, are to blame.
    private static func isCallersMistake(_ error: any Error) -> Bool {
        switch error {
        case is UsageError, is InventoryError, is CourseError: true
        case let error as ClusterError: [.badTopology, .notEnoughHosts].contains(error.code)
        case let error as TrialError: error.code == .badPlan
        case let error as ChaosError: error.code == .badPlan
        default: false
        }
    }
}

/// Whether the command has begun something that an interruption must not leave half done.
enum CleanUp {
    private static let begun = Atomic<Bool>(false)

    static var isNeeded: Bool { begun.load(ordering: .acquiring) }

    /// From here on Ctrl-C waits for the clean-up.
    static func begin() { begun.store(true, ordering: .releasing) }
}

/// The caller's words are to blame: exit status 64.
struct UsageError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
