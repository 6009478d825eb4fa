public import LabInventory
import LabSSH
public import SystemPackage

/// Copies a file to many hosts at once.
public enum FileDistribution {
    /// - Returns: one line a host: sent, or there already.
    /// - Throws: the first failure, by the hosts' order, after all have ended.
    public static func upload(
        _ file: FilePath, to remote: String, mode: UInt16, on hosts: [InventoryHost]
    ) async throws(ClusterError) -> [String] {
        let results = await withTaskGroup(of: (Int, Result<String, ClusterError>).self) { group in
            for (place, host) in hosts.enumerated() {
                group.addTask {
                    do throws(ClusterError) {
                        return (place, .success(try await upload(file, to: remote, mode: mode, on: host)))
                    } catch {
                        return (place, .failure(error))
                    }
                }
            }
            var results: [(Int, Result<String, ClusterError>)] = []
            for await result in group { results.append(result) }
            return results.sorted { $0.0 < $1.0 }
        }
        var lines: [String] = []
        for (_, result) in results { lines.append(try result.get()) }
        return lines
    }

    private static func upload(
        _ file: FilePath, to remote: String, mode: UInt16, on host: InventoryHost
    ) async throws(ClusterError) -> String {
        let session = try await HostLink.connect(host)
        do {
            let result = try await session.upload(file, to: remote, mode: mode)
            await session.close()
            switch result {
            case .sent(let bytes): return "\(host.name): sent \(bytes) bytes"
            case .unchanged: return "\(host.name): unchanged"
            }
        } catch {
            await session.close()
            throw ClusterError(.unreachableHost, "host '\(host.name)': \(error)")
        }
    }
}
