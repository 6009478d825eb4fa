import Glibc

/// Signals by the names that people write, as in `kill -l`.
public enum SignalName {
    private static let numbers: [(String, Int32)] = [
        ("KILL", SIGKILL), ("TERM", SIGTERM), ("INT", SIGINT), ("HUP", SIGHUP), ("QUIT", SIGQUIT), ("STOP", SIGSTOP),
        ("CONT", SIGCONT), ("WINCH", SIGWINCH), ("USR1", SIGUSR1), ("USR2", SIGUSR2),
    ]

    /// All of them, for an error's text.
    public static var known: String { numbers.map(\.0).joined(separator: ", ") }

    /// Nil for a name that is none of `known`; `SIG` in front is allowed.
    public static func number(_ name: String) -> Int32? {
        let bare = name.hasPrefix("SIG") ? String(name.dropFirst(3)) : name
        return numbers.first { $0.0 == bare }?.1
    }
}
