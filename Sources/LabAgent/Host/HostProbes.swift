import Glibc
import SystemPackage

/// Finds out what a host can do.
struct HostProbes {
    let root: AgentRoot

    /// Looks and tries; nothing on the host changes, since trials happen in fresh network namespaces.
    func capabilities() -> HostCapabilities {
        let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"]
        let known = Set(
            (ProcessTable.text("/proc/filesystems") ?? "").split(separator: "\n").compactMap {
                $0.split(whereSeparator: { $0 == "\t" || $0 == " " }).last.map(String.init)
            })
        let isRoot = geteuid() == 0
        let type = filesystemType()
        let comm = ProcessTable.text("/proc/1/comm") ?? ""
        return HostCapabilities(
            isRoot: isRoot, namespaces: kinds.filter { access("/proc/self/ns/\($0)", F_OK) == 0 },
            filesystems: ["btrfs", "ext4", "overlay", "tmpfs", "xfs"].filter(known.contains),
            rootFilesystem: type, filesystemShutdown: isRoot && (type == "ext4" || type == "xfs"),
            nftables: isRoot && tries(["nft", "add", "table", "inet", "seatrial_probe"]),
            queueDisciplines: isRoot ? queueDisciplines() : [], systemd: comm.hasPrefix("systemd"),
            processors: sysconf(CInt(_SC_NPROCESSORS_ONLN)),
            memoryBytes: Int64(sysconf(CInt(_SC_PHYS_PAGES))) * Int64(sysconf(CInt(_SC_PAGESIZE))))
    }

    /// The kernel's release and the host's name.
    func names() -> (kernel: String, hostname: String) {
        let kernel = ProcessTable.text("/proc/sys/kernel/osrelease")?.split(separator: "\n").first
        let hostname = ProcessTable.text("/proc/sys/kernel/hostname")?.split(separator: "\n").first
        return (String(kernel ?? "unknown"), String(hostname ?? "unknown"))
    }

    private func queueDisciplines() -> [String] {
        let trials: [(String, [String])] = [
            ("tbf", ["rate", "1mbit", "burst", "32kbit", "latency", "400ms"]), ("htb", []),
            ("netem", ["delay", "1ms"]),
        ]
        return trials.filter { tries(["tc", "qdisc", "add", "dev", "lo", "root", $0.0] + $0.1) }.map(\.0)
    }

    /// Whether a command succeeds in a network namespace of its own.
    private func tries(_ command: [String]) -> Bool {
        let request = RunRequest(
            arguments: ["unshare", "--net", "--"] + command, timeoutMilliseconds: 5_000, outputLimit: 4_096)
        guard let result = try? ProgramRunner(root: root).run(request) else { return false }
        return result.exitCode == 0
    }

    /// The type of the mount that holds the root: the longest mount point that is a prefix of it, the last one of those.
    private func filesystemType() -> String {
        var best = (length: -1, type: "unknown")
        for line in (ProcessTable.text("/proc/self/mounts") ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 2 else { continue }
            let point = fields[1] == "/" ? "" : String(fields[1])
            let isPrefix = root.path.string == point || root.path.string.hasPrefix(point + "/")
            if isPrefix, point.count >= best.length { best = (point.count, String(fields[2])) }
        }
        return best.type
    }
}
