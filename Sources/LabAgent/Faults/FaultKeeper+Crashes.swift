import Glibc

/// Daemons that are started again, once or over and over.
extension FaultKeeper {
    /// Between two looks of a crash loop's timer at the daemon.
    private static let beatNanoseconds: Int64 = 20_000_000

    /// Ends a daemon and starts it again, until it is ready.
    func restart(_ daemon: String, _ signal: Int32) throws(AgentFailure) -> DeedOutcome {
        let before = try daemons.status(daemon)
        guard try signalDaemon(daemon, signal, .gone) else {
            return DeedOutcome(
                bit: false, evidence: "process \(before.pid) did not end on signal \(signal)")
        }
        let after = try daemons.start(before.spec)
        return DeedOutcome(
            bit: after.state == .running,
            evidence: "process \(before.pid) ended, process \(after.pid) took its place")
    }

    /// What the timer of a crash loop does while its loan lasts: a daemon that is down is started, one that has been up for
    /// long enough is killed.
    /// - Returns: after how long to look again; nil for a loan of another kind.
    func beat(_ uid: String) -> Int64? {
        do throws(AgentFailure) {
            return try root.locked(lock(uid)) { () throws(AgentFailure) in
                guard let record = try root.load(FaultRecord.self, path(uid)),
                    case .crashLoop(let daemon, let upMilliseconds) = record.loan.kind
                else { return nil }
                // Undone, or not yet begun: whoever does that is not to be met half way.
                guard record.state == .active, record.bit == true else { return Self.beatNanoseconds }
                let status = try daemons.status(daemon)
                switch status.state {
                case .exited: if status.wanted { _ = try daemons.start(status.spec, waits: false) }
                case .running, .stopped:
                    let process = ProcessIdentity(pid: status.pid, startTicks: status.startTicks)
                    if ProcessTable.upMilliseconds(process) >= upMilliseconds {
                        ProcessTable.signal(process, SIGKILL)
                    }
                }
                return Self.beatNanoseconds
            }
        } catch {
            // The daemon may be on its way up or down; the next look tells.
            return Self.beatNanoseconds
        }
    }
}
