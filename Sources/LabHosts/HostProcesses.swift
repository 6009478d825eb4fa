import Glibc
import SystemPackage

/// The processes of a lab, found by the marker in their environment.
///
/// Only a host's outermost processes carry it (what `sshd` starts has a clean environment), but those hold the PID
/// namespace: when PID 1 of it dies, the kernel ends all others.
struct HostProcesses: Sendable {
    /// One process with the marker.
    struct Found: Sendable, Equatable {
        /// Its id on this machine.
        var pid: pid_t
        /// When it started, in ticks since boot: guards against a reused id.
        var startTicks: UInt64
        /// The host it belongs to.
        var host: String
        /// Whether it is PID 1 of its namespace.
        var isInit: Bool
    }

    /// All processes of the lab at this moment.
    static func find(_ identity: LabIdentity) -> [Found] {
        var found: [Found] = []
        for name in HostFiles.names("/proc") {
            guard let pid = pid_t(name), let process = look(pid, identity) else { continue }
            found.append(process)
        }
        return found
    }

    /// The process of that id, if it is the lab's.
    static func look(_ pid: pid_t, _ identity: LabIdentity) -> Found? {
        let directory = FilePath("/proc/\(pid)")
        guard let environment = HostFiles.read(directory.appending("environ")), !environment.isEmpty else { return nil }
        var isMarked = false
        var host = ""
        for variable in environment.split(separator: 0) {
            let text = String(decoding: variable, as: UTF8.self)
            if text == identity.marker { isMarked = true }
            if text.hasPrefix("SEATRIAL_HOST=") { host = String(text.dropFirst("SEATRIAL_HOST=".count)) }
        }
        guard isMarked, let stat = HostFiles.text(directory.appending("stat")), let close = stat.lastIndex(of: ")")
        else { return nil }
        let fields = stat[stat.index(after: close)...].split(separator: " ")
        // Fields 3 (state) and 22 (start time) of proc(5); a zombie has ended.
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X", let ticks = UInt64(fields[19]) else { return nil }
        let status = HostFiles.text(directory.appending("status")) ?? ""
        let inner = status.split(separator: "\n").first { $0.hasPrefix("NSpid:") }?.split(separator: "\t").last
        let outerCount =
            status.split(separator: "\n").first { $0.hasPrefix("NSpid:") }?.split(separator: "\t").count ?? 0
        return Found(pid: pid, startTicks: ticks, host: host, isInit: outerCount > 2 && inner == "1")
    }

    /// Kills processes and waits until they are gone, with all that lived in their namespaces.
    ///
    /// Each is looked at again just before the kill, so that a reused id is left alone.
    static func end(_ processes: [Found], _ identity: LabIdentity) throws(LocalHostsError) {
        let living = processes.sorted { $0.isInit && !$1.isInit }.filter { look($0.pid, identity) == $0 }
        for process in living { kill(process.pid, SIGKILL) }
        let deadline = MonotonicClock.now() + 10_000_000_000
        for process in living {
            while isThere(process) {
                guard MonotonicClock.now() < deadline else {
                    throw LocalHostsError(
                        .stillThere,
                        "host \(process.host): process \(process.pid) does not end; see 'cat /proc/\(process.pid)/stack'"
                    )
                }
                // Ours when this very process booted the host; otherwise there is nothing to reap.
                var status: CInt = 0
                waitpid(process.pid, &status, WNOHANG)
                usleep(500)
            }
        }
    }

    /// Ends all processes of the lab, looking again until none is found: one that was just becoming another program
    /// (`exec`) shows no environment for a moment.
    static func endAll(_ identity: LabIdentity) throws(LocalHostsError) {
        for _ in 0..<rounds {
            let found = find(identity)
            if found.isEmpty { return }
            try end(found, identity)
        }
        throw LocalHostsError(
            .stillThere,
            "processes of this lab keep appearing: end what starts them ('pgrep -f \(identity.stateDirectory)')")
    }

    /// How often ``endAll(_:)`` looks again.
    private static let rounds = 20

    private static func isThere(_ process: Found) -> Bool {
        guard let stat = HostFiles.text(FilePath("/proc/\(process.pid)/stat")), let close = stat.lastIndex(of: ")")
        else {
            return false
        }
        let fields = stat[stat.index(after: close)...].split(separator: " ")
        // A zombie init has already torn its namespace down; who started it will reap it.
        return fields.count > 19 && UInt64(fields[19]) == process.startTicks && fields[0] != "Z" && fields[0] != "X"
    }
}

/// The kernel's steady clocks.
enum MonotonicClock {
    /// Nanoseconds since boot, those included in which the machine slept.
    static func sinceBoot() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Nanoseconds since boot.
    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
