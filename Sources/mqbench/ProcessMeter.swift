import Glibc
import SystemPackage

/// What a process has used, from `/proc`.
struct ProcessMeter: Sendable {
    /// Source: proc(5), `stat` fields 14 and 15.
    var cpuSeconds: Double
    /// Source: proc(5), `smaps_rollup`.
    var residentBytes: Int
    /// Memory that no file backs: what it really costs.
    var anonymousBytes: Int

    /// What was used between two readings; the memory is the later one's.
    struct Spent: Sendable {
        var cpuSeconds: Double
        var residentBytes: Int
        var anonymousBytes: Int
    }

    func since(_ before: ProcessMeter) -> Spent {
        Spent(
            cpuSeconds: cpuSeconds - before.cpuSeconds, residentBytes: residentBytes, anonymousBytes: anonymousBytes)
    }

    /// A reading, or nil when the process is not there or not ours to look at.
    static func read(_ pid: Int32) -> ProcessMeter? {
        guard let stat = text(FilePath("/proc/\(pid)/stat")), let rollup = text(FilePath("/proc/\(pid)/smaps_rollup")),
            let end = stat.lastIndex(of: ")")
        else { return nil }
        // The command's name may hold blanks; the fields after its bracket do not. The first of them is field 3.
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 12, let user = Double(String(fields[11])), let system = Double(String(fields[12])) else {
            return nil
        }
        return ProcessMeter(
            cpuSeconds: (user + system) / Double(sysconf(Int32(_SC_CLK_TCK))),
            residentBytes: kibibytes("Rss:", rollup) * 1024, anonymousBytes: kibibytes("Anonymous:", rollup) * 1024)
    }

    private static func kibibytes(_ name: String, _ rollup: String) -> Int {
        let line = rollup.split(separator: "\n").first { $0.hasPrefix(name) }
        return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }

    private static func text(_ path: FilePath) -> String? {
        guard let file = try? FileDescriptor.open(path, .readOnly) else { return nil }
        defer { try? file.close() }
        var bytes = [UInt8](repeating: 0, count: 16 * 1024)
        guard let count = try? bytes.withUnsafeMutableBytes({ try file.read(into: $0) }) else { return nil }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
