import Glibc

/// Whole lines on the standard streams of a daemon, unbuffered: whoever started it waits for them.
public enum Console {
    /// Writes a line to standard output.
    public static func print(_ line: String) { write(line, to: STDOUT_FILENO) }

    /// Writes a line to standard error.
    public static func complain(_ line: String) { write(line, to: STDERR_FILENO) }

    /// A stream that is closed or full loses the line: there is nobody left to tell.
    private static func write(_ line: String, to descriptor: Int32) {
        var bytes = Array((line + "\n").utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}
