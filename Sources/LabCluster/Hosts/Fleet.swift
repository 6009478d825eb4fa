public import LabInventory
public import SystemPackage

/// The hosts of one command, connected to at the same time.
public struct Fleet: Sendable {
    /// By host name.
    public let links: [String: HostLink]

    /// Connects to all hosts at once; if one fails, the others are closed again.
    /// - Throws: `ClusterError` of the first host that failed, in the hosts' order.
    public static func open(_ hosts: [InventoryHost], agent: FilePath) async throws -> Fleet {
        var links: [String: HostLink] = [:]
        var failure: (any Error)?
        for result in await Concurrently.map(hosts, { try await HostLink.open($0, agent: agent) }) {
            switch result {
            case .success(let link): links[link.host.name] = link
            case .failure(let error): failure = failure ?? error
            }
        }
        let fleet = Fleet(links: links)
        if let failure {
            await fleet.close()
            throw failure
        }
        return fleet
    }

    public func close() async {
        _ = await Concurrently.map(Array(links.values)) { await $0.close() }
    }

    /// The connection to one of the fleet's hosts.
    public func link(_ host: InventoryHost) throws(ClusterError) -> HostLink {
        guard let link = links[host.name] else {
            throw ClusterError(.unreachableHost, "host '\(host.name)': not connected in this command")
        }
        return link
    }
}
