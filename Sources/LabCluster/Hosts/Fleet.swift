public import LabInventory
import Synchronization
public import SystemPackage

/// The hosts of one command, connected to at the same time.
public final class Fleet: Sendable {
    private let agent: FilePath
    private let held: Mutex<[String: HostLink]>

    /// By host name, as they are now: a host that lost its power has another link after its boot.
    public var links: [String: HostLink] { held.withLock { $0 } }

    init(links: [String: HostLink], agent: FilePath) {
        self.agent = agent
        held = Mutex(links)
    }

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
        let fleet = Fleet(links: links, agent: agent)
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

    /// Connects anew to a host that was dead in between; the agent is sent again where it was lost.
    func reopen(_ host: InventoryHost) async throws -> HostLink {
        await held.withLock { $0.removeValue(forKey: host.name) }?.abandon()
        let link = try await HostLink.open(host, agent: agent)
        held.withLock { $0[host.name] = link }
        return link
    }
}
