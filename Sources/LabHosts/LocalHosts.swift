public import SystemPackage

/// Hosts on this machine, reached only as a VM would be: over SSH.
///
/// Each has its own network, PID, mount, UTS and IPC namespace, its own `sshd` and host key, and its own disk on
/// `/srv`. One lab belongs to one state directory; labs of several directories run side by side.
/// Every call is idempotent and cleans up after one that was killed. What waits for programs runs on threads of its own.
public struct LocalHosts: Sendable {
    /// The size of a host's disk unless another is asked for; the image is sparse.
    public static let defaultDiskBytes: Int64 = 2 << 30

    private let lab: HostsLab

    /// The hosts of a project's state directory (`.seatrial`), which need not exist yet.
    public init(stateDirectory: FilePath) {
        lab = HostsLab(stateDirectory: stateDirectory)
    }

    /// The Ansible inventory that `up` writes.
    public var inventoryPath: FilePath { lab.inventoryPath }
    /// The hosts' keys, for SSH clients to check against.
    public var knownHostsPath: FilePath { lab.knownHostsPath }
    /// The private key that opens every host for root.
    public var keyPath: FilePath { lab.keys.client }

    /// Makes exactly the hosts n1…nN run, and returns when each `sshd` has greeted.
    ///
    /// Hosts that are up stay as they are; dead ones boot again with their disk; those above `count` go.
    /// Filesystem and size apply to new disks: a change of them while hosts are up is refused.
    public func up(
        count: Int, filesystem: HostFilesystem = .ext4, diskBytes: Int64 = LocalHosts.defaultDiskBytes,
        progress: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws(LocalHostsError) -> HostsReport {
        let lab = lab
        return try await OwnThread.run { () throws(LocalHostsError) in
            try lab.up(count: count, filesystem: filesystem, diskBytes: diskBytes, progress: progress)
        }
    }

    /// Takes every host away with its disk, and whatever an earlier or killed lab of this directory left behind.
    ///
    /// Keys and disk templates stay, so that the next `up` is quick.
    @discardableResult
    public func down(
        progress: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws(LocalHostsError) -> HostsDownReport {
        let lab = lab
        return try await OwnThread.run { () throws(LocalHostsError) in try lab.down(progress: progress) }
    }

    /// The hosts the journal knows, as they are now.
    public func list() -> [LocalHost] { lab.list() }

    /// What is there of any lab of this directory but belongs to no host that should be up; empty is clean.
    public func check() async -> [Leftover] {
        lab.leftovers()
    }
}
