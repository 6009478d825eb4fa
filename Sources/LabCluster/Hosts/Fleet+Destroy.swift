import LabAgent
public import LabInventory
public import SystemPackage

extension Fleet {
    /// Stops every daemon, heals every fault and removes everything of the lab from the hosts of this fleet.
    /// - Throws: `ClusterError` of the first host from which not everything could be removed.
    public func destroy() async throws {
        try await Concurrently.forEach(links.sorted { $0.key < $1.key }.map(\.value)) { link in
            do {
                try await link.agent.destroy()
            } catch {
                throw ClusterError(
                    .agentFailed,
                    "host '\(link.host.name)': not everything could be removed: \(error); try 'seatrial destroy' again")
            }
        }
    }

    /// The same for hosts that nobody is connected to. A host on which the lab has nothing is left as it is.
    /// Hosts that can't be reached keep nobody from being cleaned.
    /// - Returns: names of the hosts from which something was removed.
    /// - Throws: `ClusterError` `.unreachableHost` that names what was removed and which hosts were not reached.
    public static func destroy(_ hosts: [InventoryHost], agent: FilePath) async throws -> [String] {
        var deployed: [InventoryHost] = []
        var away: [String] = []
        var reason = ""
        for (host, result) in zip(hosts, await Concurrently.map(hosts, { try await HostLink.hasAgent($0) })) {
            switch result {
            case .success(true): deployed.append(host)
            case .success(false): break
            case .failure(let error):
                try Task.checkCancellation()
                away.append(host.name)
                reason = "\(error)"
            }
        }
        let removed = try await destroyDeployed(deployed, agent: agent)
        guard away.isEmpty else {
            let done = removed.isEmpty ? "nothing else was deployed" : "removed from \(removed.joined(separator: ", "))"
            throw ClusterError(
                .unreachableHost,
                "\(done); not reached: \(away.joined(separator: ", ")) (\(reason)); once they are back, say it again")
        }
        return removed
    }

    private static func destroyDeployed(_ deployed: [InventoryHost], agent: FilePath) async throws -> [String] {
        guard !deployed.isEmpty else { return [] }
        let fleet = try await open(deployed, agent: agent)
        do {
            try await fleet.destroy()
        } catch {
            await fleet.close()
            throw error
        }
        await fleet.close()
        return deployed.map(\.name)
    }
}
