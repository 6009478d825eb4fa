import Glibc
public import SystemPackage

/// Hosts on this machine, reached only as a VM would be: over SSH.
///
/// Each has its own network, PID, mount, UTS and IPC namespace, its own `sshd` and host key, and its own disk on
/// `/srv`. One lab belongs to one state directory; labs of several directories run side by side.
/// Every call is idempotent and cleans up after one that was killed. What waits for programs runs on threads of its own.
public struct LocalHosts: Sendable {
    /// The size of a host's disk unless another is asked for; the image is sparse.
    public static let defaultDiskBytes: Int64 = 2 << 30

    /// How many hosts are made when nobody says.
    public static let defaultCount = 3

    private let lab: HostsLab

    /// The hosts of a project's state directory (`.seatrial`), which need not exist yet.
    /// - Parameter program: whose `hosts power` switches a host's power for others; this very program's when nil.
    public init(stateDirectory: FilePath, program: FilePath? = nil) {
        lab = HostsLab(stateDirectory: stateDirectory, program: program)
    }

    /// The Ansible inventory that `up` writes.
    public var inventoryPath: FilePath { lab.inventoryPath }
    /// The hosts' keys, for SSH clients to check against.
    public var knownHostsPath: FilePath { lab.knownHostsPath }
    /// The private key that opens every host for root.
    public var keyPath: FilePath { lab.keys.client }

    /// - Parameter command: what was asked for, as in `hosts up`.
    /// - Throws: `.notRoot` with the line that helps.
    public static func requireRoot(for command: String) throws(LocalHostsError) {
        guard geteuid() == 0 else {
            throw LocalHostsError(.notRoot, "hosts on this machine need root: run 'sudo \(ProgramPath.own) \(command)'")
        }
    }

    /// Refuses whoever may not read what root's `up` left here: to them there would seem to be no hosts, or no way in.
    /// - Throws: `.notRoot` with the line that helps.
    public func requireAccess(for command: String) throws(LocalHostsError) {
        for file in [lab.journalPath, lab.keys.client] where access(file.string, R_OK) != 0 && errno == EACCES {
            throw LocalHostsError(
                .notRoot,
                "the hosts of \(lab.identity.stateDirectory) were made by root and are root's: run 'sudo \(ProgramPath.own) \(command)'"
            )
        }
    }

    /// The smallest number of hosts of which so many are nameservers and so many brokers; nil when no lab is so large.
    public static func count(nameservers: Int, brokers: Int) -> Int? {
        (1...LabIdentity.hostLimit).first { count in
            let roles = HostsInventory.roles(count)
            return roles.nameservers.count >= nameservers && roles.brokers.count >= brokers
        }
    }

    /// Makes exactly the hosts n1…nN run, and returns when each `sshd` has greeted.
    ///
    /// Hosts that are up stay as they are; dead ones boot again with their disk; those above `count` go.
    /// Keys that were deleted are made again and given to hosts that run.
    /// Filesystem and size apply to new disks: a change of them while hosts are up is refused.
    /// - Parameter count: 1 to 200; nil for as many as there are, or ``defaultCount``.
    public func up(
        count: Int? = nil, filesystem: HostFilesystem = .ext4, diskBytes: Int64 = LocalHosts.defaultDiskBytes,
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

    /// Cuts the power of one host, as a plug that is pulled: what it has not synced is gone, and nobody hears it go.
    ///
    /// Again is harmless, and so is a `kill -9` in the middle: `powerOn` and `up` bring back a host whose cut was never
    /// finished, too. The latest call says when the power comes back.
    /// - Parameter seconds: the power comes back by itself after so long, whatever becomes of this program; nil for never.
    /// - Returns: what there was to cut. Only `.withDisk` loses what was not synced.
    @discardableResult
    public func powerOff(_ name: String, for seconds: Double? = nil) async throws(LocalHostsError) -> PowerCut {
        let lab = lab
        return try await OwnThread.run { () throws(LocalHostsError) in try lab.powerOff(name, for: seconds) }
    }

    /// Boots a host whose power was cut, or that died, with its disk, address and keys; returns when its `sshd` has
    /// greeted. One that is up stays as it is.
    /// - Returns: whether it had to be booted.
    @discardableResult
    public func powerOn(_ name: String) async throws(LocalHostsError) -> Bool {
        let lab = lab
        return try await OwnThread.run { () throws(LocalHostsError) in try lab.powerOn(name) }
    }

    /// The whole life of the process that ends a loan: sleeps until it is due and boots the host; returns at once when
    /// the loan is over or another has taken its place. What fails is tried again, told on standard error.
    public func powerOnWhenDue(_ name: String, loan uid: String) async {
        let lab = lab
        _ = try? await OwnThread.run { () throws(LocalHostsError) in lab.powerOnWhenDue(name, loan: uid) }
    }

    /// Whether an `up` or `down` was killed in the middle, or still runs.
    public var isHalfUp: Bool { lab.isHalfUp }

    /// The hosts the journal knows, as they are now.
    public func list() -> [LocalHost] { lab.list() }

    /// What is there of any lab of this directory but belongs to no host that should be up; empty is clean.
    public func check() async -> [Leftover] {
        lab.leftovers()
    }
}
