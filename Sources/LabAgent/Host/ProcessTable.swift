import Glibc
import SystemPackage

/// The kernel's view of processes, in `/proc`.
enum ProcessTable {
    /// One process as it is now.
    struct Entry: Sendable, Equatable {
        /// Which process this is.
        var identity: ProcessIdentity
        /// The state's letter of proc(5): `R`, `S`, `D`, `T`, `Z`, ….
        var state: Character
        /// Whether it has ended and only waits to be reaped.
        var isZombie: Bool { state == "Z" || state == "X" }
        /// Whether a signal has stopped it.
        var isStopped: Bool { state == "T" }
    }

    /// The process of an id; nil when there is none.
    static func look(_ pid: Int32) -> Entry? {
        guard pid > 0, let stat = text("/proc/\(pid)/stat") else { return nil }
        return parse(stat, pid: pid)
    }

    /// The very process that was recorded; nil when it has ended, even if its id is in use again.
    static func look(_ identity: ProcessIdentity) -> Entry? {
        guard let entry = look(identity.pid), entry.identity == identity else { return nil }
        return entry
    }

    /// Parses `/proc/PID/stat`. The name in parentheses may hold anything, so the last one counts.
    static func parse(_ stat: String, pid: Int32) -> Entry? {
        guard let close = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: close)...].split(whereSeparator: { $0 == " " || $0 == "\n" })
        guard fields.count > 19, let ticks = UInt64(fields[19]), let state = fields[0].first else { return nil }
        return Entry(identity: .init(pid: pid, startTicks: ticks), state: state)
    }

    /// Sends a signal to the very process recorded; false when it is gone.
    @discardableResult
    static func signal(_ identity: ProcessIdentity, _ signal: Int32) -> Bool {
        guard let entry = look(identity), !entry.isZombie else { return false }
        return kill(identity.pid, signal) == 0
    }

    /// Waits for `condition`, looking every 2 ms; false when the time runs out.
    static func wait(milliseconds: Int64, until condition: () -> Bool) -> Bool {
        let deadline = HostClock.monotonicNanoseconds() + milliseconds * 1_000_000
        while !condition() {
            guard HostClock.monotonicNanoseconds() < deadline else { return false }
            usleep(2_000)
        }
        return true
    }

    /// The process whose environment holds a variable; how a daemon is found whose start was cut short.
    static func find(environment variable: String) -> ProcessIdentity? {
        for pid in pids() {
            guard let environment = bytes("/proc/\(pid)/environ") else { continue }
            let isMatch = environment.split(separator: 0).contains { String(decoding: $0, as: UTF8.self) == variable }
            // Its children inherit the variable; the daemon itself leads their session.
            if isMatch, getsid(pid) == pid, let entry = look(pid), !entry.isZombie { return entry.identity }
        }
        return nil
    }

    /// How long ago a process was started.
    static func upMilliseconds(_ process: ProcessIdentity) -> Int64 {
        let ticks = Int64(sysconf(CInt(_SC_CLK_TCK)))
        return HostClock.bootNanoseconds() / 1_000_000 - Int64(process.startTicks) * 1_000
            / max(1, ticks)
    }

    /// A variable of a process's environment as it was started; nil where there is none or none may be read.
    static func environment(of pid: Int32, _ name: String) -> String? {
        let prefix = Array("\(name)=".utf8)
        let entry = bytes("/proc/\(pid)/environ")?.split(separator: 0).first { $0.starts(with: prefix) }
        return entry.map { String(decoding: $0.dropFirst(prefix.count), as: UTF8.self) }
    }

    /// The parent of a process: field 4 of `/proc/PID/stat`.
    static func parent(of pid: Int32) -> Int32? {
        guard let stat = text("/proc/\(pid)/stat"), let close = stat.lastIndex(of: ")") else {
            return nil
        }
        let fields = stat[stat.index(after: close)...].split(separator: " ")
        return fields.count > 2 ? Int32(fields[2]) : nil
    }

    /// Who listens on a TCP port of this host, as `name (pid N)`; nil when it can't be told.
    static func listener(port: UInt16) -> String? {
        var inodes: Set<String> = []
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            for line in (text(table) ?? "").split(separator: "\n").dropFirst() {
                let fields = line.split(separator: " ")
                guard fields.count > 9, fields[3] == "0A", let colon = fields[1].lastIndex(of: ":"),
                    UInt16(fields[1][fields[1].index(after: colon)...], radix: 16) == port
                else { continue }
                inodes.insert("socket:[\(fields[9])]")
            }
        }
        for pid in pids() {
            for descriptor in names("/proc/\(pid)/fd") {
                var target = [UInt8](repeating: 0, count: 128)
                let count = target.withUnsafeMutableBytes { buffer in
                    readlink(
                        "/proc/\(pid)/fd/\(descriptor)", buffer.bindMemory(to: CChar.self).baseAddress!, buffer.count)
                }
                guard count > 0, inodes.contains(String(decoding: target[..<count], as: UTF8.self)) else { continue }
                let name = text("/proc/\(pid)/comm")?.split(separator: "\n").first ?? "a process"
                return "\(name) (pid \(pid))"
            }
        }
        return nil
    }

    /// All process ids.
    static func pids() -> [Int32] { names("/proc").compactMap { Int32($0) } }

    /// The whole of a file of `/proc` or `/sys` as text.
    static func text(_ path: String) -> String? { bytes(path).map { String(decoding: $0, as: UTF8.self) } }

    private static func bytes(_ path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 8192)
        while true {
            let count = read(file, &piece, piece.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return count == 0 ? bytes : nil }
            bytes.append(contentsOf: piece[..<count])
        }
    }

    private static func names(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }
}
