/// How a remote command ended, and what it wrote.
public struct SSHCommandResult: Sendable, Hashable {
    /// The exit status, or nil if a signal ended the command.
    public var exitStatus: Int32?
    /// The signal that ended the command, without `SIG` (`TERM`, `KILL`), or nil.
    public var exitSignal: String?
    /// What the command wrote to its standard output.
    public var standardOutput: [UInt8]
    /// What the command wrote to its standard error.
    public var standardError: [UInt8]

    /// Makes a result.
    public init(
        exitStatus: Int32?, exitSignal: String? = nil, standardOutput: [UInt8] = [], standardError: [UInt8] = []
    ) {
        self.exitStatus = exitStatus
        self.exitSignal = exitSignal
        self.standardOutput = standardOutput
        self.standardError = standardError
    }

    /// Whether the command ended by itself with status 0.
    public var isSuccess: Bool { exitStatus == 0 && exitSignal == nil }
    /// Standard output as text; bytes that are not UTF-8 become U+FFFD.
    public var outputText: String { String(decoding: standardOutput, as: UTF8.self) }
    /// Standard error as text; bytes that are not UTF-8 become U+FFFD.
    public var errorText: String { String(decoding: standardError, as: UTF8.self) }
    /// `exit status 3` or `killed by SIGTERM`, for messages.
    public var ending: String {
        if let exitSignal { return "killed by SIG\(exitSignal)" }
        if let exitStatus { return "exit status \(exitStatus)" }
        return "ended without a status"
    }
}
