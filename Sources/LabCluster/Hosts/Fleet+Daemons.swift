public import LabAgent
public import LabInventory

extension Fleet {
    /// What is deployed on these hosts, read from them: daemons with their configurations, in the hosts' order.
    ///
    /// - Throws: `ClusterError` of the first host that can't tell.
    public func deployedDaemons(on hosts: [InventoryHost]) async throws -> [DaemonPlan] {
        let found = await Concurrently.map(hosts) { try await self.daemons(on: $0) }
        return try found.flatMap { try $0.get() }
    }

    private func daemons(on host: InventoryHost) async throws -> [DaemonPlan] {
        let agent = try link(host).agent
        do {
            var plans: [DaemonPlan] = []
            for status in try await agent.daemons() {
                // What has no configuration of ours is none that we deployed.
                guard let (role, path) = status.configuration else { continue }
                let text = String(decoding: try await agent.readFile(path).content.bytes, as: UTF8.self)
                plans.append(
                    DaemonPlan(
                        name: status.name, role: role, host: host,
                        address: status.spec.readiness?.host ?? host.seatrialAddress,
                        port: status.spec.readiness.map { Int($0.port) } ?? 0, settings: Self.settings(text, of: role)))
            }
            return plans
        } catch {
            throw ClusterError(.agentFailed, "host '\(host.name)': its daemons can't be read: \(error)")
        }
    }

    /// The keys of a file as `DaemonPlan.configText` writes it.
    static func settings(_ text: String, of role: DaemonPlan.Role) -> [String: String] {
        var settings: [String: String] = [:]
        for line in text.split(separator: "\n") {
            guard let mark = role.separator.first, let end = line.firstIndex(of: mark) else { continue }
            settings[String(line[..<end])] = String(line[end...].dropFirst(role.separator.count))
        }
        return settings
    }
}

extension DaemonStatus {
    /// What a daemon of ours is, and where its configuration lies.
    var configuration: (role: DaemonPlan.Role, path: String)? {
        for role in DaemonPlan.Role.allCases {
            guard let flag = spec.arguments.firstIndex(of: role.configFlag), flag + 1 < spec.arguments.count,
                case let path = spec.arguments[flag + 1], path.hasSuffix("/\(role.configFile)")
            else { continue }
            return (role, path)
        }
        return nil
    }

    /// What a daemon of a cluster's plan is; nil for any other.
    public var role: DaemonPlan.Role? { configuration?.role }
}
