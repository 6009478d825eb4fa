import LabAgent
public import LabInventory
public import SystemPackage

extension Fleet {
    /// Stops every daemon, heals every fault and removes everything of the lab from the hosts of this fleet.
    public func destroy() async throws(ClusterError) {
        try await each(links.keys.sorted()) { name throws(ClusterError) in
            guard let link = links[name] else { return }
            do {
                try await link.agent.destroy()
            } catch {
                throw ClusterError(
                    .agentFailed,
                    "host '\(name)': not everything could be removed: \(error); try 'seatrial destroy' again")
            }
        }
    }

    /// The same for hosts that nobody is connected to. A host on which the lab has nothing is left as it is.
    /// - Returns: names of the hosts from which something was removed.
    public static func destroy(_ hosts: [InventoryHost], agent: FilePath) async throws(ClusterError) -> [String] {
        var deployed: [InventoryHost] = []
        for host in hosts where try await HostLink.hasAgent(host) { deployed.append(host) }
        guard !deployed.isEmpty else { return [] }
        let fleet = try await open(deployed, agent: agent)
        do throws(ClusterError) {
            try await fleet.destroy()
        } catch {
            await fleet.close()
            throw error
        }
        await fleet.close()
        return deployed.map(\.name)
    }
}
