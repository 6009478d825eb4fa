/// What the host remembers of a daemon, in `<root>/daemons/<name>.json`; written before and after its start.
struct DaemonRecord: Codable, Sendable, Equatable {
    /// How it was started.
    var spec: DaemonSpec
    /// Its process; nil between the intent and the start.
    var process: ProcessIdentity?
    /// Whether it is meant to run.
    var wanted: Bool
    /// How it ended, if its parent saw it.
    var exitCode: Int32?
    /// The signal that ended it, if its parent saw it.
    var exitSignal: Int32?

    /// What to tell of it, given what `/proc` says of the recorded process. Pure.
    func status(_ entry: ProcessTable.Entry?) -> DaemonStatus {
        let state: DaemonStatus.State =
            switch entry {
            case let entry? where entry.identity == process && !entry.isZombie: entry.isStopped ? .stopped : .running
            default: .exited
            }
        return DaemonStatus(
            name: spec.name, state: state, pid: process?.pid ?? 0, startTicks: process?.startTicks ?? 0,
            exitCode: state == .exited ? exitCode : nil, exitSignal: state == .exited ? exitSignal : nil,
            wanted: wanted, spec: spec)
    }

    /// Whether a name may be a file's name, a fault's uid and part of a message.
    static func isName(_ name: String) -> Bool {
        (1...AgentLimits.nameBytes).contains(name.utf8.count) && !name.hasPrefix(".")
            && name.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}
