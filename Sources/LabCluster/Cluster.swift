import LabAgent
public import LabInventory
import LabSSH
import SystemPackage

/// A deployed cluster: the plan, and the hosts that carry it out.
public struct Cluster: Sendable {
    public let plan: DeploymentPlan
    public let subject: Subject
    public let fleet: Fleet

    public init(plan: DeploymentPlan, subject: Subject, fleet: Fleet) {
        self.plan = plan
        self.subject = subject
        self.fleet = fleet
    }

    /// How long a daemon may take from exec to listening before it counts as failed.
    static let readinessMilliseconds: Int64 = 10_000

    /// Uploads programs and configurations everywhere at once, then starts etcd, then nameservers, then brokers.
    ///
    /// Call `refuseLeftovers()` first.
    /// - Throws: `.daemonFailed` with the daemon's own last line when it does not come up; what was started stays,
    ///   for `destroy()` to remove.
    public func deploy(progress: @Sendable (String) -> Void) async throws {
        progress("uploading to \(plan.hosts.map(\.name).joined(separator: ", "))")
        try await Concurrently.forEach(plan.hosts) { host in try await upload(to: host) }
        for role in DaemonPlan.Role.allCases {
            let daemons = plan.daemons.filter { $0.role == role }
            guard !daemons.isEmpty else { continue }
            progress("starting \(daemons.map(\.name).joined(separator: ", "))")
            try await Concurrently.forEach(daemons) { daemon in try await start(daemon) }
        }
    }

    /// A daemon of another run is not this run's to stop: it is somebody's evidence.
    public func refuseLeftovers() async throws {
        try await Concurrently.forEach(plan.hosts) { host in
            let found = try await status(of: host)
            if let daemon = found.first {
                throw ClusterError(
                    .daemonFailed,
                    "host '\(host.name)': '\(daemon.name)' of an earlier deployment is still there; 'seatrial status' shows it, 'seatrial destroy' removes it"
                )
            }
        }
    }

    func upload(to host: InventoryHost) async throws {
        let link = try fleet.link(host)
        do {
            let roles = Set(plan.daemons.filter { $0.host.name == host.name }.map(\.role))
            if roles.contains(.nameserver) {
                _ = try await link.session.upload(subject.nameserver, to: program(.nameserver, on: host), mode: 0o755)
            }
            if roles.contains(.broker) {
                _ = try await link.session.upload(subject.broker, to: program(.broker, on: host), mode: 0o755)
                _ = try await link.session.upload(subject.scanner, to: scanner(on: host), mode: 0o755)
            }
            if roles.contains(.etcd) { try await uploadEtcd(to: link) }
            for daemon in plan.daemons where daemon.host.name == host.name {
                try await link.agent.writeFile(daemon.configPath, Array(daemon.configText.utf8))
            }
        } catch let error as ClusterError {
            throw error
        } catch {
            throw ClusterError(.agentFailed, "host '\(host.name)': upload: \(error)")
        }
    }

    /// Sends etcd to a host that has none of its own.
    /// - Throws: `.missingBinary` when there is none anywhere, or one that is too old, with the way out.
    private func uploadEtcd(to link: HostLink) async throws {
        let name = link.host.name
        if let version = try await EtcdProgram.version(on: link.agent) {
            guard EtcdProgram.isNewEnough(version) else {
                throw ClusterError(
                    .missingBinary,
                    "host '\(name)': its etcd is of version \(version), and brokers need 3.4 or newer; install that there"
                )
            }
            return
        }
        guard let program = subject.etcd else {
            throw ClusterError(
                .missingBinary,
                "host '\(name)': no etcd there, and none on this machine to send; mode \(plan.topology.mode) needs one: "
                    + "install Debian's 'etcd-server' on either (apt-get install etcd-server)")
        }
        _ = try await link.session.upload(program, to: self.program(.etcd, on: link.host), mode: 0o755)
    }

    func program(_ role: DaemonPlan.Role, on host: InventoryHost) -> String {
        switch role {
        case .etcd: "\(host.directory)/bin/etcd"
        case .nameserver: "\(host.directory)/bin/mqnamesrv"
        case .broker: "\(host.directory)/bin/mqbroker"
        }
    }

    public func scanner(on host: InventoryHost) -> String { "\(host.directory)/bin/mqadmin" }

    func start(_ daemon: DaemonPlan) async throws {
        let link = try fleet.link(daemon.host)
        do {
            // A host's own etcd by its name: it stays where its administrator put it.
            let isHosts = daemon.role == .etcd ? try await EtcdProgram.version(on: link.agent) != nil : false
            try await link.agent.startDaemon(
                DaemonSpec(
                    name: daemon.name,
                    executable: isHosts ? EtcdProgram.name : program(daemon.role, on: daemon.host),
                    arguments: [daemon.role.configFlag, daemon.configPath], workingDirectory: daemon.directory,
                    logPath: daemon.logPath,
                    readiness: .init(
                        host: daemon.address, port: UInt16(daemon.port),
                        timeoutMilliseconds: Self.readinessMilliseconds)))
        } catch {
            throw ClusterError(.daemonFailed, "host '\(daemon.host.name)': '\(daemon.name)' did not start: \(error)")
        }
    }

    private func status(of host: InventoryHost) async throws -> [DaemonStatus] {
        do {
            return try await fleet.link(host).agent.daemons()
        } catch {
            throw ClusterError(.agentFailed, "host '\(host.name)': \(error)")
        }
    }
}
