import Glibc

/// What agent and timers have to say to a person when nobody asks them: a line each, in `<root>/agent.log` and on
/// standard error.
///
/// The file is appended to by several processes, each line in one write. It is best effort: whoever writes here has
/// a more important thing to do, and `faultList` tells the same to whoever asks.
struct AgentLog: Sendable {
    /// Past this size nothing is added; the beginning of a trouble tells more than its thousandth repetition.
    static let limitBytes: off_t = 1 << 20
    static let path = "agent.log"

    let root: AgentRoot

    func write(_ message: String) {
        var line = "\(HostClock.realtimeNanoseconds() / 1_000_000) [\(getpid())] \(message)\n"
        line.withUTF8 { bytes in
            _ = Glibc.write(2, bytes.baseAddress, bytes.count)
            guard let file = try? root.openFile(Self.path, O_WRONLY | O_CREAT | O_APPEND) else { return }
            defer { close(file) }
            var info = stat()
            guard fstat(file, &info) == 0, info.st_size < Self.limitBytes else { return }
            _ = Glibc.write(file, bytes.baseAddress, bytes.count)
        }
    }
}
