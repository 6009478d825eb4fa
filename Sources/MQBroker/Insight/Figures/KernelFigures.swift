import Glibc

/// What the kernel says of its page cache and of waiting for disks; files of `/proc` are made from memory, so that
/// reading them blocks on nothing.
enum KernelFigures {
    /// `/proc/meminfo` in bytes.
    static var memory: [String: Int64] { parse(memory: text(of: "/proc/meminfo") ?? "") }

    /// How much of the last ten seconds some task waited for a disk, 0 to 1; `nil` where the kernel does not say.
    static var ioStall: Double? { text(of: "/proc/pressure/io").flatMap { parse(pressure: $0) } }

    static func parse(memory text: String) -> [String: Int64] {
        var fields: [String: Int64] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ")
            guard parts.count == 3, parts[2] == "kB", parts[0].last == ":", let kilobytes = Int64(parts[1]) else {
                continue
            }
            fields[String(parts[0].dropLast())] = kilobytes * 1024
        }
        return fields
    }

    /// Reads `some avg10=1.23 avg60=…`; the kernel writes percent.
    static func parse(pressure text: String) -> Double? {
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("some ") }),
            let field = line.split(separator: " ").first(where: { $0.hasPrefix("avg10=") }),
            let percent = Double(field.dropFirst("avg10=".count))
        else { return nil }
        return percent / 100
    }

    private static func text(of path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 16 << 10)
        let count = read(descriptor, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
