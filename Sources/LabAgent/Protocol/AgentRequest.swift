/// Everything the controller may ask of a host.
///
/// Paths are relative to the agent's root (an absolute path below it is taken, too); none may leave it.
public enum AgentRequest: Codable, Sendable, Equatable {
    /// Opens the conversation; `agentVersion` is echoed.
    case hello(protocolVersion: Int, agentVersion: String)
    /// Reads the host's clocks.
    case clock
    /// Starts a daemon in its own session and waits for its readiness.
    case daemonStart(DaemonSpec)
    /// SIGTERM, then SIGKILL after the grace. A daemon that is not running is no error.
    case daemonStop(name: String, graceMilliseconds: Int64)
    /// Sends one signal.
    case daemonSignal(name: String, signal: Int32)
    /// All daemons as they are now.
    case daemonStatus
    /// Removes the record of a daemon that does not run.
    case daemonForget(name: String)
    /// Reads a piece of a daemon's log; a negative offset counts from the end.
    case logRead(daemon: String, offset: Int64, limit: Int)
    /// Runs a program to its end, without a shell.
    case run(RunRequest)
    /// Replaces a file in one step, synced to disk; directories on the way are made.
    case fileWrite(path: String, content: AgentBytes, mode: UInt32)
    /// Reads a piece of a file; a negative offset counts from the end.
    case fileRead(path: String, offset: Int64, limit: Int)
    /// Removes a file or a tree; nothing there is no error.
    case pathRemove(path: String)
    /// Lists a directory, sorted by name.
    case directoryList(path: String)
    /// Does a fault as a loan.
    case faultInject(FaultLoan)
    /// Undoes a fault now; a healed one is no error.
    case faultRevert(uid: String)
    /// All loans the host remembers.
    case faultList
    /// Undoes everything that is lent: the kill switch.
    case faultHealAll
    /// Tries which peers answer, within a time.
    case networkProbe(probes: [NetworkProbe], timeoutMilliseconds: Int64)
    /// Undoes all faults, stops all daemons, removes the root directory; afterwards the agent ends.
    case destroy(graceMilliseconds: Int64)
}

/// A program to run to its end.
public struct RunRequest: Codable, Sendable, Equatable {
    /// The program and its arguments; the first is absolute, below the root, or found on `PATH`.
    public var arguments: [String]
    /// What it reads.
    public var standardInput: AgentBytes
    /// Added to the agent's own environment.
    public var environment: [String: String]
    /// Where it runs, below the root.
    public var workingDirectory: String?
    /// After this it is killed, with its whole session.
    public var timeoutMilliseconds: Int64
    /// The most bytes kept of each stream; the rest is read and dropped.
    public var outputLimit: Int

    /// A program to run to its end.
    public init(
        arguments: [String], standardInput: [UInt8] = [], environment: [String: String] = [:],
        workingDirectory: String? = nil, timeoutMilliseconds: Int64 = 30_000, outputLimit: Int = 1 << 20
    ) {
        self.arguments = arguments
        self.standardInput = AgentBytes(standardInput)
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.timeoutMilliseconds = timeoutMilliseconds
        self.outputLimit = outputLimit
    }
}

/// A request with the id its answer will carry.
struct AgentRequestEnvelope: Codable, Sendable {
    var id: UInt64
    var request: AgentRequest
}
