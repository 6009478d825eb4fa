public import LabInventory
import LabSSH
public import SystemPackage

/// Copies a file to many hosts at once.
public enum FileDistribution {
    /// - Returns: one line a host: sent, or there already.
    /// - Throws: the first failure, by the hosts' order, after all have ended.
    public static func upload(
        _ file: FilePath, to remote: String, mode: UInt16, on hosts: [InventoryHost]
    ) async throws -> [String] {
        try await Concurrently.map(hosts) { try await upload(file, to: remote, mode: mode, on: $0) }
            .map { try $0.get() }
    }

    private static func upload(
        _ file: FilePath, to remote: String, mode: UInt16, on host: InventoryHost
    ) async throws -> String {
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
