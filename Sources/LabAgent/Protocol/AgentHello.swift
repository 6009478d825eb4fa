/// What the agent says of itself and its host when the channel opens.
public struct AgentHello: Codable, Sendable, Equatable {
    /// The protocol version the agent speaks.
    public var protocolVersion: Int
    /// The version the controller gave in its hello: the content hash it uploaded the agent under.
    public var agentVersion: String
    /// The host's own name.
    public var hostname: String
    /// The kernel's release.
    public var kernel: String
    /// The agent's process id on its host.
    public var pid: Int32
    /// The agent's root directory, with symbolic links resolved.
    public var root: String
    /// What the host can do.
    public var capabilities: HostCapabilities
    /// What went wrong when this agent started, a line each: loans that it could give no timer.
    public var troubles: [String]
    /// The connection over which the agent is spoken to, which no fault may cut; nil when it was not started over SSH.
    public var sshPath: SSHPath?
}

/// What a host can do, found by looking and by harmless trials in throw-away namespaces.
public struct HostCapabilities: Codable, Sendable, Equatable {
    /// Whether the agent runs as root: most faults need it.
    public var isRoot: Bool
    /// Kinds of namespaces the kernel has (`net`, `pid`, `mnt`, …).
    public var namespaces: [String]
    /// Filesystems the kernel knows (`ext4`, `xfs`, `btrfs`, `overlay`, …) that need a block device or overlay.
    public var filesystems: [String]
    /// The filesystem type under the agent's root.
    public var rootFilesystem: String
    /// Whether the root's filesystem takes the shutdown ioctl (a power loss without hardware): ext4 and XFS, as root.
    public var filesystemShutdown: Bool
    /// Whether `nft` is installed and answers in a fresh network namespace.
    public var nftables: Bool
    /// Queue disciplines that could be added in a throw-away network namespace, out of `tbf`, `htb`, `netem`.
    public var queueDisciplines: [String]
    /// Whether systemd is the host's PID 1.
    public var systemd: Bool
    /// Online processors.
    public var processors: Int
    /// Main memory in bytes.
    public var memoryBytes: Int64
}

/// Both clocks of a host, read together.
public struct AgentClock: Codable, Sendable, Equatable {
    /// `CLOCK_MONOTONIC` in nanoseconds.
    public var monotonicNanoseconds: Int64
    /// `CLOCK_REALTIME` in nanoseconds since 1970.
    public var realtimeNanoseconds: Int64
}
