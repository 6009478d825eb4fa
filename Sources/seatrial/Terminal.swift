// `stdout` is a variable of C's, which nobody sets here.
@preconcurrency import Glibc

/// What the controller says to a person. Results go to standard output, progress and complaints to standard error.
enum Terminal {
    static var isInteractive: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 }

    /// Colours only on a terminal, and never against https://no-color.org.
    static var usesColour: Bool { isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nil }

    static func complain(_ line: String) { complainVerbatim("seatrial: \(line)") }

    static func complainVerbatim(_ text: String) { write(text + "\n") }

    /// As wide as the terminal, yet no wider than a text reads well; in a pipe, narrow enough for any.
    static var helpColumns: Int {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return min(max(Int(size.ws_col), 40), 100)
    }

    /// What is being done now.
    static func progress(_ line: String) { write("  · \(line)\n") }

    /// A line that the next one overwrites; on a terminal only.
    static func ticker(_ line: String) {
        guard isatty(STDERR_FILENO) == 1 else { return }
        write("\r\u{1B}[K  · \(line)")
    }

    /// Ends the line that a ticker left open.
    static func endTicker() {
        guard isatty(STDERR_FILENO) == 1 else { return }
        write("\r\u{1B}[K")
    }

    /// Shows a prompt that has no end of line. Never by `fflush(nil)`: that waits for the lock of standard input, which
    /// whoever reads a line holds until there is one.
    static func flushOutput() { fflush(stdout) }

    private static func write(_ text: String) {
        // What was printed before stands before it, also where both go into one file.
        flushOutput()
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}
