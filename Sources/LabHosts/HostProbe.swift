import Glibc
import SystemPackage

/// Whether a host's `sshd` answers.
enum HostProbe {
    /// Whether something listens on port 22 in the network namespace of a process (`/proc/PID/net/tcp`).
    ///
    /// Asked first, because a connection tried before the cable is up waits a second for its address resolution.
    static func listens(_ pid: pid_t) -> Bool {
        guard let table = HostFiles.text(FilePath("/proc/\(pid)/net/tcp")) else { return false }
        return table.split(separator: "\n").contains { line in
            let fields = line.split(separator: " ")
            return fields.count > 3 && fields[1].hasSuffix(":0016") && fields[3] == "0A"
        }
    }

    /// Whether `address:22` greets with `SSH-` within a time.
    static func greets(_ address: String, milliseconds: CInt) -> Bool {
        let socket = Glibc.socket(
            AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard socket >= 0 else { return false }
        defer { close(socket) }
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = UInt16(22).bigEndian
        guard inet_pton(AF_INET, address, &target.sin_addr) == 1 else { return false }
        let result = withUnsafePointer(to: &target) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 || errno == EINPROGRESS else { return false }
        // The greeting makes it readable; a refusal does, too, and then there is nothing to read.
        var waiting = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, milliseconds) == 1 else { return false }
        var greeting = [UInt8](repeating: 0, count: 4)
        return read(socket, &greeting, 4) == 4 && greeting == Array("SSH-".utf8)
    }
}
