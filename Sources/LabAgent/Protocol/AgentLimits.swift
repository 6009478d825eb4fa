/// The named limits of the agent's protocol and work; each is refused by name, never silently cut.
public enum AgentLimits {
    /// The version both sides must speak; a hello with another one is refused.
    public static let protocolVersion = 3
    /// The largest frame body in bytes, either way: a whole log chunk in base64 with room to spare.
    public static let frameBytes = 16 << 20
    /// The most bytes a single `logRead` or `fileRead` answers; base64 keeps it below ``frameBytes``.
    public static let chunkBytes = 4 << 20
    /// The largest `fileWrite` content; larger files travel over SFTP.
    public static let writeBytes = 8 << 20
    /// The most bytes kept of each output stream of a `run`.
    public static let runOutputBytes = 4 << 20
    /// The most entries a `directoryList` answers.
    public static let directoryEntries = 10_000
    /// Requests worked on at once by one agent; further ones wait in the channel.
    public static let concurrentRequests = 32
    /// Requests one client may have unanswered.
    public static let pendingRequests = 1_024
    /// The longest time-to-live of a fault: a day, after which nobody remembers it.
    public static let faultTTLMilliseconds: Int64 = 86_400_000
    /// How long a timer goes on trying to undo a fault that it can't, or whose record it can't read.
    public static let faultTimerMilliseconds: Int64 = 2 * faultTTLMilliseconds
    /// The longest pause between two such tries.
    public static let faultTimerPauseMilliseconds: Int64 = 30_000
    /// How long a fault's probe waits for its bite or its heal.
    public static let faultProbeMilliseconds: Int64 = 5_000
    /// How long a daemon may stay up at least and at most between two crashes of a loop.
    public static let crashUpMilliseconds: ClosedRange<Int64> = 50...3_600_000
    /// The most rules of one network fault, and the most probes of one look.
    public static let networkRules = 1_024
    /// How long a peer must be silent at least to count as cut off; an answer takes a fraction of a millisecond in a lab.
    public static let networkSilenceMilliseconds: Int64 = 30
    /// The longest that a look at peers may take.
    public static let networkProbeMilliseconds: Int64 = 10_000
    /// How long an undone network fault waits for its peers to answer again. Others' parts of a partition are undone at the
    /// same time, and each waits for all.
    public static let networkHealMilliseconds: Int64 = 1_000
    /// The longest name of a daemon or a fault.
    public static let nameBytes = 64
}
