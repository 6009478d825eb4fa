public import LabAgent
public import LabCluster
public import LabInventory

/// A fault as the hosts are asked for it: which of them does what. Pure: plan, roster and seed decide.
public struct FaultOrder: Sendable {
    /// One host's part.
    public struct Part: Sendable {
        public var host: InventoryHost
        public var kind: FaultKind
        /// What it does there, for a person.
        public var text: String
    }

    /// The plan with its targets chosen.
    public var plan: FaultPlan
    /// `broker-a on n2, broker-b on n3`: how histories and reports name whom it strikes.
    public var target: String
    /// In the roster's order. None for a power loss, which no agent does.
    public var parts: [Part]
    /// What the controller's own clients are cut off from.
    public var outside: [NetworkProbe]
    /// The daemon that loses its power, for that fault alone.
    public var powerless: DaemonPlan?

    /// How long a daemon stays up in a crash loop: long enough to register and to be met by clients.
    static let crashUpMilliseconds: Int64 = 1_000

    /// - Parameters:
    ///   - seed: of the choice of targets and of a partition's sides.
    ///   - clientAddress: the address under which a host sees the clients of this machine; nil when no way leads there.
    /// - Throws: `ChaosError` `.badPlan`.
    public init(
        _ plan: FaultPlan, on roster: Roster, seed: UInt64,
        clientAddress: @escaping (InventoryHost) -> String? = {
            LocalAddress.toward($0.seatrialAddress)
        }
    ) throws(ChaosError) {
        // Two faults of one schedule draw apart.
        let seed = plan.id.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        let targets = try TargetSelector(plan.target).select(from: roster, seed: seed)
        self.plan = plan
        self.plan.target = targets.joined(separator: ",")
        target = targets.map { name in roster.daemon(name).map { "\(name) on \($0.host.name)" } ?? name
        }
        .joined(separator: ", ")
        parts = []
        outside = []
        guard plan.kind.family != .network else {
            try cutNetwork(NetworkPlanner(roster: roster, clientAddress: clientAddress), targets, seed)
            return
        }
        for name in targets {
            guard let daemon = roster.daemon(name) else {
                throw ChaosError(
                    .badPlan,
                    "fault '\(plan.id)': \(plan.kind.rawValue) strikes daemons, and '\(name)' is a host")
            }
            try strike(daemon)
        }
    }

    private mutating func cutNetwork(
        _ planner: NetworkPlanner, _ targets: [String], _ seed: UInt64
    ) throws(ChaosError) {
        let links = try planner.links(of: plan, targets: targets, seed: seed)
        outside = planner.outside(links)
        parts = try planner.parts(links, plan.answer ?? .drop).map { host, fault in
            Part(
                host: host, kind: .network(fault),
                text: "cut off: \(planner.peers(of: host.name, in: links))")
        }
    }

    private mutating func strike(_ daemon: DaemonPlan) throws(ChaosError) {
        let part: (kind: FaultKind, text: String)
        switch plan.kind {
        case .diskFull:
            part = (.diskFull(path: daemon.storePath), "fill the filesystem of \(daemon.storePath)")
        case .restart:
            part = (
                .processRestart(daemon: daemon.name, signal: 15), "SIGTERM to \(daemon.name), and a start"
            )
        case .crashLoop:
            part = (
                .crashLoop(daemon: daemon.name, upMilliseconds: Self.crashUpMilliseconds),
                "SIGKILL to \(daemon.name) whenever it has been up for \(Self.crashUpMilliseconds) ms"
            )
        case .storeWipe: part = (.storeWipe(path: daemon.storePath), "remove \(daemon.storePath)")
        case .powerLoss:
            guard powerless == nil else {
                throw ChaosError(
                    .badPlan, "fault '\(plan.id)': one host after the other loses its power; name one")
            }
            powerless = daemon
            return
        default:
            guard let name = plan.kind.signal ?? plan.signal, let number = SignalName.number(name) else {
                throw ChaosError(
                    .badPlan,
                    "fault '\(plan.id)': signal '\(plan.signal ?? "")' is none of \(SignalName.known)")
            }
            part = (.processSignal(daemon: daemon.name, signal: number), "SIG\(name) to \(daemon.name)")
        }
        parts.append(Part(host: daemon.host, kind: part.kind, text: part.text))
    }

    /// The exact plan, host by host, as `--dry-run` prints it.
    public func text(uid: String = "UID") -> String {
        var lines = [
            "fault '\(plan.id)': \(plan.label) on \(target), undone by the hosts themselves after \(plan.ttlSeconds) s"
        ]
        for part in parts {
            lines.append("  \(part.host.name): \(part.text)")
            guard case .network(let fault) = part.kind else { continue }
            let table = NetworkScript.table(uid: uid, root: part.host.directory)
            lines += NetworkScript.text(fault, table: table).split(separator: "\n").map { "      \($0)" }
        }
        for probe in outside { lines.append("  from here: no answer from \(probe)") }
        if let powerless {
            lines.append("  \(powerless.host.name): its power is cut, by the inventory's command")
        }
        return lines.joined(separator: "\n")
    }
}

extension FaultPlan {
    /// The hosts that any seed may let it strike; the plan itself is checked on the way.
    /// - Throws: `ChaosError` `.badPlan`.
    public func everybodyStruck(on roster: Roster) throws(ChaosError) -> [InventoryHost] {
        _ = try FaultOrder(self, on: roster, seed: 0, clientAddress: { $0.seatrialAddress })
        return try TargetSelector(target).candidates(in: roster).compactMap { roster.host(of: $0) }
    }
}
