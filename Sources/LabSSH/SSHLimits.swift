/// The limits of this module, each with its reason.
public enum SSHLimits {
    /// Bytes that a command may print before `execute` gives up, unless the caller says otherwise.
    public static let outputBytes = 16 * 1024 * 1024
    /// Keepalive intervals without a byte from the host after which the connection counts as lost.
    public static let unansweredKeepalives = 3
    /// The shortest interval between two keepalives: libssh2 sends none before 2 s have passed on its own clock.
    public static let leastKeepaliveInterval: Duration = .seconds(2)
    /// How long the clean end of one channel may take before it is left to the session's own end.
    public static let channelCloseTimeout: Duration = .seconds(5)
    /// Bytes that a host may send on a channel before we read them (`LIBSSH2_CHANNEL_WINDOW_DEFAULT`).
    static let windowBytes: UInt32 = 2 * 1024 * 1024
    /// The largest packet of a channel (`LIBSSH2_CHANNEL_PACKET_DEFAULT`).
    static let packetBytes: UInt32 = 32 * 1024
    /// Bytes asked of libssh2 in one read: four of its packets (`LIBSSH2_CHANNEL_PACKET_DEFAULT` is 32 KiB).
    static let readBytes = 128 * 1024
    /// Bytes handed to libssh2 in one write; it sends at most 32 KiB of them in one packet.
    static let writeBytes = 256 * 1024
    /// Threads that all sessions of the process share. The work is ciphers and copying, so few are enough.
    static let threads = 4
    /// Attempts at freeing a session whose socket is already shut; each makes progress, so few are enough.
    static let freeAttempts = 64
    /// The largest `known_hosts` file that is read.
    static let knownHostsBytes = 4 * 1024 * 1024
    /// The largest private key file that is looked at.
    static let privateKeyBytes = 64 * 1024
    /// Keys of one agent that are offered; `sshd` ends the connection after `MaxAuthTries` (6 by default).
    static let agentKeys = 6
}
