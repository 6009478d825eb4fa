import Glibc
import SystemPackage

/// How one host comes to life: namespaces, cable, disk, its own `/run` and `/tmp`, and `tini` with `sshd` as PID 1.
struct HostBoot: Sendable {
    let identity: LabIdentity
    let subnet: LabSubnet
    let index: Int
    let disk: FilePath
    let filesystem: HostFilesystem
    /// Text of the host's private key and of the client's public one.
    let hostKey: String
    let clientKey: String
    /// Holds `boot.sh` and `boot.log`.
    let directory: FilePath

    var name: String { "n\(index)" }
    /// What the script and the host's PID 1 wrote.
    var log: FilePath { directory.appending("boot.log") }

    /// The script that the host's first process runs, before it becomes `tini`.
    ///
    /// 1. The cable: made from inside, its other end put beside the machine's bridge by way of the machine's network
    ///    namespace, which is still named in `/proc` then.
    /// 2. The disk, before `/run`, `/tmp`, `/var/tmp` and `/root`, since the image may lie below one of them. The home is the host's
    ///    own and empty: the machine's start files are nobody's business there, and would run at every command.
    /// 3. `/proc` of the new PID namespace, and the files of `sshd` on the host's own `/run`.
    func script(machine: pid_t, sshd: String, tini: String) -> String {
        let network = "/proc/\(machine)/ns/net"
        let options = filesystem == .xfs ? "loop,noatime,nouuid" : "loop,noatime"
        return """
            set -e
            ip -batch - <<'END'
            link set lo up
            link add eth0 address \(identity.hardwareAddress(index)) type veth peer name \(identity.link(index)) netns \(network)
            link set eth0 addrgenmode none
            addr add \(subnet.address(index))/24 dev eth0
            link set eth0 up
            END
            nsenter --net=\(network) ip -batch - <<'END'
            link set \(identity.link(index)) addrgenmode none
            link set \(identity.link(index)) master \(identity.bridge) up
            END
            mount -t \(filesystem.rawValue) -o \(options) '\(disk.string)' /srv
            mkdir -p /srv/seatrial
            mount -t proc proc /proc
            echo \(name) > /proc/sys/kernel/hostname
            mount -t tmpfs -o mode=755,size=256m tmpfs /run
            mount -t tmpfs -o mode=1777,size=1g tmpfs /tmp
            mount -t tmpfs -o mode=1777,size=1g tmpfs /var/tmp
            mount -t tmpfs -o mode=700,size=64m tmpfs /root
            cd /
            umask 077
            mkdir -m 755 /run/sshd /run/lock
            mkdir -m 700 /run/seatrial
            cat > /run/seatrial/host_key <<'END'
            \(hostKey)END
            cat > /run/seatrial/authorized_keys <<'END'
            \(clientKey)END
            cat > /run/seatrial/sshd_config <<'END'
            \(Self.configuration(address: subnet.address(index)))END
            exec \(tini) -- \(sshd) -D -e -f /run/seatrial/sshd_config

            """
    }

    /// `sshd`'s configuration: keys only, nothing looked up, room for many channels.
    static func configuration(address: String) -> String {
        """
        ListenAddress \(address)
        Port 22
        HostKey /run/seatrial/host_key
        AuthorizedKeysFile /run/seatrial/authorized_keys
        PidFile /run/sshd.pid
        PermitRootLogin prohibit-password
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        UsePAM no
        UseDNS no
        StrictModes no
        PrintMotd no
        PrintLastLog no
        MaxStartups 200
        MaxSessions 200
        Subsystem sftp internal-sftp

        """
    }

    /// Starts the host; returns the process that holds its namespaces. It outlives this program.
    func start(machine: pid_t) throws(LocalHostsError) -> pid_t {
        try HostFiles.makeDirectory(directory, mode: 0o700)
        let script = directory.appending("boot.sh")
        let text = self.script(
            machine: machine, sshd: try HostProgram.find("sshd"), tini: try HostProgram.find("tini"))
        try HostFiles.replace(script, Array(text.utf8), mode: 0o600)
        let environment = [
            identity.marker, "SEATRIAL_HOST=\(name)", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
        ]
        let arguments = [
            "unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child=KILL", "--", "/bin/sh",
            script.string,
        ]
        return try HostProgram.spawn(
            try HostProgram.find("unshare"), arguments, environment: environment, newSession: true
        ) { actions in
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
            posix_spawn_file_actions_addopen(&actions, 1, log.string, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
            posix_spawn_file_actions_adddup2(&actions, 1, 2)
        }
    }

    /// What to say of a host that ended while it booted, from what it wrote.
    static func failure(host: String, log: FilePath) -> LocalHostsError {
        let text = HostFiles.text(log) ?? ""
        let lines = text.split(separator: "\n").suffix(3).joined(separator: "; ")
        if text.contains("unshare failed") || text.contains("unshare: ") {
            return LocalHostsError(
                .namespacesDenied,
                "host \(host): this machine refuses namespaces (\(lines)): use a VM, or a container started privileged")
        }
        if text.contains("loop") {
            return LocalHostsError(
                .noLoopDevice,
                "host \(host): no loop device for its disk (\(lines)): load the module ('modprobe loop') or free some")
        }
        return LocalHostsError(
            .hostFailed, "host \(host) did not boot: \(lines.isEmpty ? "no message" : lines); see \(log)")
    }
}
