import LabAgent
import LabCluster

/// A host that a trial needs can't be used now: the lab's error, not the caller's words.
struct HostsNotReady: Error, CustomStringConvertible {
    var description: String
}

extension FleetStatus {
    /// Why a new cluster can't be put onto these hosts; nil when it can.
    var reasonAgainstUse: String? {
        for row in rows {
            guard row.isAnswered else { return row.state }
            let left =
                row.daemons.first.map { "'\($0.name)' of an earlier deployment" }
                ?? row.faults.first { $0.state != .healed }.map { "the fault '\($0.loan.uid)'" }
            if let left {
                return
                    "host '\(row.host)': \(left) is still there; 'seatrial status' shows it, 'seatrial destroy' removes it"
            }
        }
        return nil
    }
}
