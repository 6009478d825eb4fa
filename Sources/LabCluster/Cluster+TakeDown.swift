import LabAgent
import LabInventory
import LabSSH
public import SystemPackage

extension Cluster {
    /// Brings every daemon's log to the controller, as `<name>.log`. A log that can't be had is left out: the run's
    /// verdict does not hang on it.
    public func collectLogs(into folder: FilePath) async {
        await withTaskGroup(of: Void.self) { group in
            for daemon in plan.daemons {
                group.addTask { await collectLog(of: daemon, into: folder) }
            }
        }
    }

    private func collectLog(of daemon: DaemonPlan, into folder: FilePath) async {
        guard let link = fleet.links[daemon.host.name],
            let bytes = try? await link.session.download(daemon.logPath, limitBytes: Self.logLimitBytes),
            let file = try? FileDescriptor.open(
                folder.appending("\(daemon.name).log"), .writeOnly, options: [.create, .truncate],
                permissions: [.ownerReadWrite, .groupRead, .otherRead])
        else { return }
        _ = try? file.closeAfter { try file.writeAll(bytes) }
    }

    /// A daemon that logs more than this in a lab has a fault of its own.
    static let logLimitBytes = 64 * 1024 * 1024
}
