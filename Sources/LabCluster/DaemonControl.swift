public import LabAgent
public import LabInventory

/// The daemons that are deployed on a fleet's hosts, by the names that `status` shows: stopped, started again, and their logs.
///
/// A daemon's start is the one that its host remembers, so nothing has to be known of the mode that it was deployed by.
public struct DaemonControl: Sendable {
    /// A daemon where it was found.
    public struct Found: Sendable {
        public var host: InventoryHost
        public var status: DaemonStatus
        public var name: String { status.name }
    }

    /// How long a daemon may take to end before it is killed: a broker flushes what it has.
    public static let grace = Duration.seconds(30)

    public let fleet: Fleet
    /// By role in the order in which they start, and by name.
    public let daemons: [Found]

    /// Asks the hosts what they have.
    /// - Throws: `ClusterError` of the first host that can't tell.
    public init(fleet: Fleet, hosts: [InventoryHost]) async throws {
        self.fleet = fleet
        let found = await Concurrently.map(hosts) { host in
            do {
                return try await fleet.link(host).agent.daemons().map { Found(host: host, status: $0) }
            } catch {
                throw ClusterError(.agentFailed, "host '\(host.name)': its daemons can't be read: \(error)")
            }
        }
        daemons = Self.sorted(try found.flatMap { try $0.get() })
    }

    /// What has no role is none of a plan's; it starts last.
    static func sorted(_ daemons: [Found]) -> [Found] {
        func place(_ daemon: Found) -> Int {
            daemon.status.role.flatMap { DaemonPlan.Role.allCases.firstIndex(of: $0) } ?? DaemonPlan.Role.allCases.count
        }
        return daemons.sorted { (place($0), $0.name) < (place($1), $1.name) }
    }

    /// Those of these names, or all where none is given.
    public func select(_ names: [String]) -> [Found] {
        names.isEmpty ? daemons : daemons.filter { names.contains($0.name) }
    }

    /// Ends daemons, those first that start last; one that does not run stays so. None of them is started by the end of a fault.
    /// - Throws: `ClusterError` of the first one that does not end.
    public func stop(_ chosen: [Found], tell: @Sendable (String) -> Void) async throws {
        for group in Self.together(chosen).reversed() {
            try await Concurrently.forEach(group) { daemon in
                do {
                    _ = try await fleet.link(daemon.host).agent.stopDaemon(daemon.name, grace: Self.grace)
                } catch {
                    throw ClusterError(
                        .daemonFailed, "host '\(daemon.host.name)': '\(daemon.name)' did not stop: \(error)")
                }
            }
            for daemon in group { tell("stopped '\(daemon.name)' on \(daemon.host.name)") }
        }
    }

    /// Starts daemons as they were started before, etcd first, then nameservers, then brokers, and waits until each listens.
    /// - Throws: `ClusterError` with the daemon's own last lines when one does not come up.
    public func start(_ chosen: [Found], tell: @Sendable (String) -> Void) async throws {
        for group in Self.together(chosen) {
            try await Concurrently.forEach(group) { daemon in
                do {
                    try await fleet.link(daemon.host).agent.startDaemon(daemon.status.spec)
                } catch {
                    throw ClusterError(
                        .daemonFailed, "host '\(daemon.host.name)': '\(daemon.name)' did not start: \(error)")
                }
            }
            for daemon in group { tell("started '\(daemon.name)' on \(daemon.host.name)") }
        }
    }

    /// The last lines of a daemon's log, as far back as one piece of it reaches.
    /// - Throws: `ClusterError` that names host and daemon.
    public func lastLines(_ count: Int, of daemon: Found) async throws -> [String] {
        do {
            let piece = try await fleet.link(daemon.host).agent.readLog(
                daemon: daemon.name, offset: -Int64(AgentLimits.chunkBytes))
            return Self.lastLines(count, of: piece.content.bytes, isWhole: piece.offset == 0)
        } catch {
            throw ClusterError(
                .agentFailed, "host '\(daemon.host.name)': the log of '\(daemon.name)' can't be read: \(error)")
        }
    }

    /// Pure. The first line of a piece that begins somewhere in the log is none.
    static func lastLines(_ count: Int, of bytes: [UInt8], isWhole: Bool) -> [String] {
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        if !isWhole, !lines.isEmpty { lines.removeFirst() }
        return lines.suffix(count).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Those of one role at once, in the order of the roles.
    private static func together(_ daemons: [Found]) -> [[Found]] {
        var groups: [[Found]] = []
        for daemon in sorted(daemons) {
            if groups.last?.first?.status.role == daemon.status.role {
                groups[groups.count - 1].append(daemon)
            } else {
                groups.append([daemon])
            }
        }
        return groups
    }
}
