import LabAgent
import LabInventory
import LabSSH
public import SystemPackage

extension Cluster {
    /// Brings every daemon's log to the controller, as `<name>.log`. The run's verdict does not hang on a log, so one
    /// that can't be had stops nothing.
    /// - Returns: why, by daemon, for each log that is missing.
    public func collectLogs(into folder: FilePath) async -> [String: String] {
        let results = await Concurrently.map(plan.daemons) { try await collectLog(of: $0, into: folder) }
        var missing: [String: String] = [:]
        for (daemon, result) in zip(plan.daemons, results) {
            guard case .failure(let error) = result, await wasStarted(daemon) else { continue }
            missing[daemon.name] = "\(error)"
        }
        return missing
    }

    /// Whether the host knows the daemon; one that was never started has no log to miss. Who can't be asked may have it.
    private func wasStarted(_ daemon: DaemonPlan) async -> Bool {
        guard let known = try? await fleet.link(daemon.host).agent.daemons() else { return true }
        return known.contains { $0.name == daemon.name }
    }

    private func collectLog(of daemon: DaemonPlan, into folder: FilePath) async throws {
        let link = try fleet.link(daemon.host)
        let bytes = try await link.session.download(daemon.logPath, limitBytes: Self.logLimitBytes)
        let file = try FileDescriptor.open(
            folder.appending("\(daemon.name).log"), .writeOnly, options: [.create, .truncate],
            permissions: [.ownerReadWrite, .groupRead, .otherRead])
        _ = try file.closeAfter { try file.writeAll(bytes) }
    }

    /// A daemon that logs more than this in a lab has a fault of its own.
    static let logLimitBytes = 64 * 1024 * 1024
}
