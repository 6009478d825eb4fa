public import LabInventory
public import SystemPackage

/// The hosts of one command, connected to at the same time.
public struct Fleet: Sendable {
    /// By host name.
    public let links: [String: HostLink]

    /// Connects to all hosts at once; if one fails, the others are closed again.
    public static func open(_ hosts: [InventoryHost], agent: FilePath) async throws(ClusterError) -> Fleet {
        let results = await withTaskGroup(of: (String, Result<HostLink, ClusterError>).self) { group in
            for host in hosts {
                group.addTask {
                    do throws(ClusterError) {
                        return (host.name, .success(try await HostLink.open(host, agent: agent)))
                    } catch {
                        return (host.name, .failure(error))
                    }
                }
            }
            var results: [(String, Result<HostLink, ClusterError>)] = []
            for await result in group { results.append(result) }
            return results
        }
        var links: [String: HostLink] = [:]
        var failure: ClusterError?
        for (name, result) in results.sorted(by: { $0.0 < $1.0 }) {
            switch result {
            case .success(let link): links[name] = link
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
        await withTaskGroup(of: Void.self) { group in
            for link in links.values { group.addTask { await link.close() } }
        }
    }

    /// Does the same on several hosts at once; the first failure, by host name, is thrown after all have ended.
    func each<Item: Sendable>(
        _ items: [Item], _ work: @escaping @Sendable (Item) async throws(ClusterError) -> Void
    ) async throws(ClusterError) {
        let failures = await withTaskGroup(of: (Int, ClusterError)?.self) { group in
            for (place, item) in items.enumerated() {
                group.addTask {
                    do throws(ClusterError) {
                        try await work(item)
                        return nil
                    } catch {
                        return (place, error)
                    }
                }
            }
            var failures: [(Int, ClusterError)] = []
            for await case let failure? in group { failures.append(failure) }
            return failures
        }
        if let first = failures.min(by: { $0.0 < $1.0 }) { throw first.1 }
    }

    /// The connection to one of the fleet's hosts.
    public func link(_ host: InventoryHost) throws(ClusterError) -> HostLink {
        guard let link = links[host.name] else {
            throw ClusterError(.unreachableHost, "host '\(host.name)': not connected in this command")
        }
        return link
    }
}
