import LabAgent
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
                guard let flag = status.spec.arguments.firstIndex(of: "-c"), flag + 1 < status.spec.arguments.count
                else { continue }
                let path = status.spec.arguments[flag + 1]
                let role: DaemonPlan.Role = path.hasSuffix("/nameserver.properties") ? .nameserver : .broker
                let text = String(decoding: try await agent.readFile(path).content.bytes, as: UTF8.self)
                plans.append(
                    DaemonPlan(
                        name: status.name, role: role, host: host,
                        address: status.spec.readiness?.host ?? host.seatrialAddress,
                        port: status.spec.readiness.map { Int($0.port) } ?? 0, settings: Self.settings(text)))
            }
            return plans
        } catch {
            throw ClusterError(.agentFailed, "host '\(host.name)': its daemons can't be read: \(error)")
        }
    }

    /// The keys of a `.properties` file as `DaemonPlan.configText` writes it.
    static func settings(_ text: String) -> [String: String] {
        var settings: [String: String] = [:]
        for line in text.split(separator: "\n") {
            guard let equals = line.firstIndex(of: "=") else { continue }
            settings[String(line[..<equals])] = String(line[line.index(after: equals)...])
        }
        return settings
    }
}
