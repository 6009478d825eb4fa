public import LabInventory
public import LabSSH
public import SystemPackage

/// What the controller knows of a host's key: the ground of `seatrial trust`.
public enum HostTrust: Sendable {
    /// On record.
    case known(SSHHostKey)
    /// Not on record; it would be recorded in this file.
    case new(SSHHostKey, in: FilePath)
    /// On record with another key, or revoked, at this place.
    case changed(SSHHostKey, place: String)

    /// Asks the host for its key and the inventory's `known_hosts` files for what is on record.
    /// - Throws: `ClusterError` `.unreachableHost`.
    public static func look(at host: InventoryHost) async throws -> HostTrust {
        let configuration = SSHConfiguration(host)
        do {
            let key = try await HostKeys.fetch(configuration.endpoint, proxy: configuration.proxy)
            switch try HostKeys.judge(key, knownHosts: configuration.knownHosts) {
            case .known: return .known(key)
            case .unknown: return .new(key, in: configuration.knownHosts.first ?? ".seatrial/known_hosts")
            case .changed(let file, let line): return .changed(key, place: "\(file):\(line)")
            case .revoked(let file, let line): return .changed(key, place: "\(file):\(line) (revoked)")
            }
        } catch {
            throw ClusterError(.unreachableHost, "host '\(host.name)': \(error)")
        }
    }
}
