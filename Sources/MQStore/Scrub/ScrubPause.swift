import Glibc

/// Waits for so long, while a broker whose files are looked at goes on; a test has it go on in this very moment.
typealias ScrubPause = @Sendable (Duration) -> Void

/// The pause of the machine.
enum MachinePause {
    static let sleep: ScrubPause = { usleep(UInt32($0 / .microseconds(1))) }
}
