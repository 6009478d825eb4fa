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
        /// `ok`, or what is broken there on purpose; `-` where nobody can tell.
        public var network = "-"
        public var disk = "-"
        public var process = "-"

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
                row.summarise()
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
        var lines = [Self.columns(["HOST", "ADDRESS", "STATE", "NETWORK", "DISK", "PROCESS"], in: rows)]
        for row in rows {
            lines.append(
                Self.columns([row.host, row.address, row.state, row.network, row.disk, row.process], in: rows))
            for trouble in row.troubles { lines.append("  trouble: \(trouble)") }
            for daemon in row.daemons { lines.append("  daemon \(daemon.name)  \(Self.text(daemon))") }
            // What is over is 'fault list's to tell.
            for fault in row.faults where fault.state != .healed {
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

    /// Cells under each other, as wide as their column; what a host's state has to say at length stands without.
    private static func columns(_ cells: [String], in rows: [Row]) -> String {
        let widths = [
            (["HOST"] + rows.map(\.host)), ["ADDRESS"] + rows.map(\.address),
            ["STATE"] + rows.filter(\.isAnswered).map(\.state), ["NETWORK"] + rows.map(\.network),
            ["DISK"] + rows.map(\.disk),
        ].map { $0.map(\.count).max() ?? 0 }
        let line = cells.enumerated().map { place, cell in
            place < widths.count ? cell + String(repeating: " ", count: max(0, widths[place] - cell.count)) : cell
        }.joined(separator: "  ")
        return String(line.reversed().drop { $0 == " " }.reversed())
    }
}

extension FleetStatus.Row {
    /// One word for each thing that can be broken, from the loans that are open and from the daemons as they are.
    mutating func summarise() {
        let open = faults.filter { $0.state != .healed }
        func word(_ matches: (FaultKind) -> String?) -> String {
            let words = open.compactMap { fault in
                matches(fault.loan.kind).map { fault.state == .stuck ? "\($0) (stuck)" : $0 }
            }
            return words.isEmpty ? "ok" : words.joined(separator: ", ")
        }
        network = word { kind in
            guard case .network(let fault) = kind else { return nil }
            return "cut off from \(Set(fault.rules.map(\.peer)).count)"
        }
        disk = word { kind in
            switch kind {
            case .diskFull: "full"
            case .storeWipe: "wiped"
            case .processSignal, .processRestart, .crashLoop, .network: nil
            }
        }
        let broken = daemons.filter { $0.state == .stopped || $0.state == .exited && $0.wanted }
        let words = broken.map { "\($0.name) \($0.state == .stopped ? "paused" : "down")" }
        process = daemons.isEmpty ? "-" : words.isEmpty ? "ok" : words.joined(separator: ", ")
    }
}
