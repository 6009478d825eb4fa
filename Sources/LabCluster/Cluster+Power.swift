import LabAgent
public import LabInventory

extension Cluster {
    /// Cuts the power of a host for so long at most.
    /// - Returns: what the inventory's command said.
    public func powerOff(_ host: InventoryHost, seconds: Double) async throws -> String {
        try await HostPowerSwitch(host: host).off(seconds: seconds)
    }

    /// How a host is seen to be silent; nil when it still answers.
    public func silence(of host: InventoryHost) async -> String? { await HostPowerSwitch(host: host).silence() }

    /// Brings a host's power back, connects anew, and starts every daemon of the plan that is meant to run there.
    ///
    /// What the host had not synced is gone, programs, configurations and the agent's own records among it: whatever is
    /// missing is sent again.
    /// - Returns: how the host was seen to be back.
    public func powerOn(_ host: InventoryHost) async throws -> String {
        _ = try await HostPowerSwitch(host: host).on()
        let link = try await fleet.reopen(host)
        try await upload(to: host)
        let known = try await link.agent.daemons()
        var started: [String] = []
        for role in DaemonPlan.Role.allCases {
            for daemon in plan.daemons where daemon.role == role && daemon.host.name == host.name {
                let before = known.first { $0.name == daemon.name }
                guard before?.wanted ?? true, before?.state ?? .exited == .exited else { continue }
                try await start(daemon)
                started.append(daemon.name)
            }
        }
        let listening = started.isEmpty ? "no daemon had to be started" : "\(started.joined(separator: ", ")) listening"
        return "sshd greets, the agent answers as process \(link.hello.pid), \(listening)"
    }
}
