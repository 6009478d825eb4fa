/// A running remote command: its input is written, and its output read, while it runs.
///
/// One task may write while another reads; two tasks must not read at once, nor write at once. Cancelling a task that
/// waits in `write` or `next` ends the wait and leaves the command running; `close`, or letting the channel go, ends
/// it: the command reads end-of-file and gets `SIGPIPE` at its next write. (`sshd` sends no `SIGHUP` without a
/// terminal, so a command that must die with its session watches its standard input, as the agent does.)
public final class SSHCommandChannel: Sendable {
    private let session: SSHSession
    private let channel: ChannelBox

    init(session: SSHSession, channel: ChannelBox) {
        self.session = session
        self.channel = channel
    }

    deinit {
        let session = session
        let channel = channel
        Task { await session.release(channel) }
    }

    /// Writes to the command's standard input, as fast as the command takes it.
    public func write(_ bytes: [UInt8]) async throws(SSHError) {
        try await session.write(bytes, to: channel)
    }

    /// Ends the command's standard input.
    public func closeInput() async throws(SSHError) {
        try await session.sendEndOfFile(to: channel)
    }

    /// The next piece of output, or nil when both streams have ended.
    ///
    /// Output that nobody reads holds the command back: each stream is sent only as far as the channel's window.
    public func next() async throws(SSHError) -> SSHCommandOutput? {
        try await session.read(from: channel)
    }

    /// How the command ended. Call it after `next` gave nil; it waits for the command's end and closes the channel.
    public func exit() async throws(SSHError) -> SSHCommandExit {
        try await session.exit(of: channel)
    }

    /// Ends the channel, whatever the command is doing. Harmless when it has ended already.
    public func close() async {
        await session.release(channel)
    }
}
