public import SystemPackage

/// The filesystem on a host's disk.
public enum HostFilesystem: String, Sendable, Codable, CaseIterable {
    /// ext4, the default.
    case ext4
    /// XFS; its smallest disk is 300 MiB.
    case xfs
}

/// A host on this machine, as found at the time of asking.
public struct LocalHost: Sendable, Equatable {
    /// Whether a host can be worked with.
    public enum State: String, Sendable {
        /// Its PID 1 lives and its `sshd` listens.
        case up
        /// The journal knows it, but it does not run.
        case down
        /// Its power was cut on purpose; `powerOn` and `up` boot it again.
        case off
    }

    /// `n1`, `n2`, …; also its hostname.
    public let name: String
    /// Its IPv4 address in the lab's subnet.
    public let address: String
    /// Its PID 1 as seen from this machine.
    public let pid: Int32?
    /// Whether it runs.
    public let state: State
    /// The image behind its `/srv`.
    public let disk: FilePath
}

/// What there was to cut when a host's power went.
public enum PowerCut: String, Sendable {
    /// Its processes, and its disk with all that was not synced.
    case withDisk
    /// Something of it ran, and its own disk was not mounted: no filesystem was shut down, and nothing unsynced lost.
    case withoutDisk
    /// Nothing: it was off already.
    case nothing
}

/// What `up` did.
public struct HostsReport: Sendable, Equatable {
    /// All hosts, in the order of their names' numbers.
    public let hosts: [LocalHost]
    /// The names of those that this call booted; empty when everything was up already.
    public let booted: [String]
    /// The names of those that this call took down with their disks, since fewer were asked for than there were.
    public let removed: [String]
    /// The lab's subnet, as `198.18.7.0/24`.
    public let subnet: String
    /// How long it took.
    public let duration: Duration
}

/// What `down` did.
public struct HostsDownReport: Sendable, Equatable {
    /// The hosts that there were, by name.
    public let hosts: [String]
    /// What was taken away; empty when nothing was there.
    public let removed: [Leftover]
    /// How long it took.
    public let duration: Duration
}

/// A thing on this machine that belongs to a lab of this state directory and to no host that is up.
public struct Leftover: Sendable, Equatable, Hashable, CustomStringConvertible {
    /// What can be left behind. A namespace lives as long as its processes, so those stand for it.
    public enum Kind: String, Sendable, CaseIterable { case process, link, route, mount, loop, image }
    /// What it is.
    public let kind: Kind
    /// Its pid, interface name, route, mount point or file.
    public let name: String

    public var description: String { "\(kind.rawValue) \(name)" }
}
