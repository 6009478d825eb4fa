/// How a daemon is started, and started again: the whole of it, so that an undo needs no controller.
public struct DaemonSpec: Codable, Sendable, Equatable {
    /// The name it is known by on its host: letters, digits, `.`, `_`, `-`.
    public var name: String
    /// The program: absolute, or relative to the agent's root.
    public var executable: String
    /// Its arguments, without the program's own name.
    public var arguments: [String]
    /// Its whole environment: nothing is inherited but `PATH` when it is not given.
    public var environment: [String: String]
    /// Where it runs: below the agent's root; nil is the root itself.
    public var workingDirectory: String?
    /// Where stdout and stderr go, appended, below the root; nil is `logs/<name>.log`.
    public var logPath: String?
    /// When it counts as ready; nil is as soon as it runs.
    public var readiness: Readiness?

    /// A TCP port that answers when the daemon is ready.
    public struct Readiness: Codable, Sendable, Equatable {
        /// The IPv4 address to connect to.
        public var host: String
        /// The port the daemon listens on.
        public var port: UInt16
        /// How long to wait for it, in milliseconds.
        public var timeoutMilliseconds: Int64

        /// A port to wait for.
        public init(host: String = "127.0.0.1", port: UInt16, timeoutMilliseconds: Int64 = 10_000) {
            self.host = host
            self.port = port
            self.timeoutMilliseconds = timeoutMilliseconds
        }
    }

    /// A daemon's start in full.
    public init(
        name: String, executable: String, arguments: [String] = [], environment: [String: String] = [:],
        workingDirectory: String? = nil, logPath: String? = nil, readiness: Readiness? = nil
    ) {
        self.name = name
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.logPath = logPath
        self.readiness = readiness
    }
}

/// A daemon as found on its host at the time of asking.
public struct DaemonStatus: Codable, Sendable, Equatable {
    /// What a daemon can be found as.
    public enum State: String, Codable, Sendable {
        /// Its process lives, with the recorded start time.
        case running
        /// Its process lives and is stopped by a signal (`T`).
        case stopped
        /// Its process is gone.
        case exited
    }

    /// Its name.
    public var name: String
    /// How it was found.
    public var state: State
    /// Its process id, or the one it had.
    public var pid: Int32
    /// Field 22 of `/proc/PID/stat`: with the pid it names the process beyond doubt until the host reboots.
    public var startTicks: UInt64
    /// The exit status, when the agent that started it saw it end.
    public var exitCode: Int32?
    /// The signal that ended it, when the agent that started it saw it.
    public var exitSignal: Int32?
    /// Whether it is meant to run: false after `daemonStop`, so that no undo starts it again.
    public var wanted: Bool
    /// How it was started.
    public var spec: DaemonSpec
}
