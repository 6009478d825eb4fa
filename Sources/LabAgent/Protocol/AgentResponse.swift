/// Everything a host may answer; each request has one kind of answer, or `failure`.
public enum AgentResponse: Codable, Sendable, Equatable {
    /// To `hello`.
    case hello(AgentHello)
    /// To `clock`.
    case clock(AgentClock)
    /// To `daemonStart`, `daemonStop`, `daemonSignal`.
    case daemon(DaemonStatus)
    /// To `daemonStatus`.
    case daemons([DaemonStatus])
    /// To `logRead` and `fileRead`.
    case chunk(FileChunk)
    /// To `run`.
    case run(RunResult)
    /// To `fileWrite`, `pathRemove`, `daemonForget`.
    case done
    /// To `directoryList`.
    case entries([DirectoryEntry])
    /// To `faultInject`, `faultRevert`.
    case fault(FaultRecord)
    /// To `faultList`, `faultHealAll`.
    case faults(FaultSweep)
    /// To `networkProbe`: one for each, in their order.
    case answers([NetworkAnswer])
    /// To `destroy`: what was stopped and healed.
    case destroyed(daemons: [String], faults: [String])
    /// Whatever was asked failed.
    case failure(AgentFailure)
}

/// A piece of a file.
public struct FileChunk: Codable, Sendable, Equatable {
    /// Where the piece begins, in bytes from the file's start.
    public var offset: Int64
    /// The bytes; empty at or past the end.
    public var content: AgentBytes
    /// The file's size when it was read.
    public var fileSize: Int64

    /// The offset to go on reading at.
    public var nextOffset: Int64 { offset + Int64(content.bytes.count) }
    /// Whether the piece reaches the end the file had.
    public var reachesEnd: Bool { nextOffset >= fileSize }
}

/// How a `run` ended.
public struct RunResult: Codable, Sendable, Equatable {
    /// The exit status; nil when a signal ended it.
    public var exitCode: Int32?
    /// The signal that ended it.
    public var signal: Int32?
    /// Whether it was killed because its time ran out.
    public var timedOut: Bool
    /// What it wrote, up to the limit.
    public var standardOutput: AgentBytes
    /// What it wrote to stderr, up to the limit.
    public var standardError: AgentBytes
    /// Whether output was dropped.
    public var truncated: Bool
}

/// One entry of a directory.
public struct DirectoryEntry: Codable, Sendable, Equatable {
    /// What an entry can be.
    public enum Kind: String, Codable, Sendable { case file, directory, link, other }
    /// Its name, without the path.
    public var name: String
    /// What it is; links are not followed.
    public var kind: Kind
    /// Its size in bytes.
    public var size: Int64
}

/// An answer with its request's id; 0 when the request had none that could be read.
struct AgentResponseEnvelope: Codable, Sendable {
    var id: UInt64
    var response: AgentResponse
}
