public import LabAgent
public import LabInventory
public import SystemPackage

/// What the lab has on its hosts now, as the hosts themselves tell it: nothing of it is remembered on the controller,
/// so it holds after a killed run as well.
public struct FleetStatus: Sendable, Codable, CustomStringConvertible {
    public struct Row: Sendable, Codable {
        public var host: String
        public var address: String
        /// `up`, `nothing deployed`, or why it can't be reached.
        public var state: String
        public var daemons: [DaemonStatus]
        public var faults: [FaultRecord]
        /// What the agent could not do or read, a line each.
        public var troubles: [String]

        /// Whether the host told what it has.
        public var isAnswered: Bool { state == "up" || state == "nothing deployed" }
    }

    public var rows: [Row]

    /// Asks all hosts at once; a host that can't be reached is a row that says so, not an error.
    public static func read(_ hosts: [InventoryHost], agent: FilePath) async -> FleetStatus {
        let rows = await Concurrently.map(hosts) { await row($0, agent: agent) }
        return FleetStatus(rows: rows.compactMap { try? $0.get() })
    }

    private static func row(_ host: InventoryHost, agent: FilePath) async -> Row {
        var row = Row(
            host: host.name, address: host.seatrialAddress, state: "up", daemons: [], faults: [], troubles: [])
        do {
            guard try await HostLink.hasAgent(host) else {
                row.state = "nothing deployed"
                return row
            }
            let link = try await HostLink.open(host, agent: agent)
            do {
                row.daemons = try await link.agent.daemons()
                let sweep = try await link.agent.faults()
                row.faults = sweep.records
                // What is unreadable now was so when the agent started; each is told once.
                let known = sweep.failures.map(\.description)
                row.troubles = known + link.hello.troubles.filter { !known.contains($0) }
            } catch {
                row.state = "the agent failed: \(error)"
            }
            await link.close()
        } catch {
            row.state = "\(error)"
        }
        return row
    }

    /// Whether every host answered.
    public var isComplete: Bool { rows.allSatisfy(\.isAnswered) }

    public var description: String {
        var lines: [String] = []
        for row in rows {
            lines.append("\(row.host)  \(row.address)  \(row.state)")
            for trouble in row.troubles { lines.append("  trouble: \(trouble)") }
            for daemon in row.daemons { lines.append("  daemon \(daemon.name)  \(Self.text(daemon))") }
            for fault in row.faults {
                lines.append("  fault \(fault.loan.uid)  \(fault.state.rawValue)  \(fault.message ?? "")")
            }
        }
        return lines.joined(separator: "\n")
    }

    private static func text(_ daemon: DaemonStatus) -> String {
        let port = daemon.spec.readiness.map { ", port \($0.port)" } ?? ""
        switch daemon.state {
        case .running, .stopped: return "\(daemon.state.rawValue), process \(daemon.pid)\(port)"
        case .exited:
            let how = daemon.exitSignal.map { " by signal \($0)" } ?? daemon.exitCode.map { " with \($0)" } ?? ""
            return "exited\(how)"
        }
    }
}
