/// The limits of file transfers, each with its reason.
enum SFTPLimits {
    /// Bytes that may be on their way without an acknowledgement. libssh2 cuts what one write is handed into requests
    /// of 30,000 bytes and sends them without waiting, so this is the depth of the pipeline. OpenSSH's own window for
    /// a channel is 2 MiB; of 0.5, 1, 2 and 8 MiB the least was the quickest on the loopback.
    static let windowBytes = 512 * 1024
    /// Bytes of a file that are held in memory: a window, and as much again, so that the rest of a window is moved to
    /// the front only once for each window sent.
    static let bufferBytes = 2 * windowBytes
    /// Bytes sent or read before other work of the same thread has its turn.
    static let turnBytes = 1024 * 1024
    /// Bytes asked for in one read; libssh2 asks ahead for four times as many.
    static let readBytes = 256 * 1024
    /// How long the host's SFTP server may take to greet. libssh2 waits for ever for one that died at its start.
    static let openTimeout: Duration = .seconds(10)
    /// Characters of a temporary file's token: 64 bits in hexadecimal.
    static let tokenDigits = 16
}
