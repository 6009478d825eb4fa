import Glibc

/// What the controller says to a person. Results go to standard output, progress and complaints to standard error.
enum Terminal {
    static var isInteractive: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 }

    /// Colours only on a terminal, and never against https://no-color.org.
    static var usesColour: Bool { isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nil }

    static func complain(_ line: String) { complainVerbatim("seatrial: \(line)") }

    static func complainVerbatim(_ text: String) { write(text + "\n") }

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

    /// Shows a prompt that has no end of line.
    static func flushOutput() { fflush(nil) }

    private static func write(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}
