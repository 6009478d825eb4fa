/// The way to a host that can't be reached directly.
public indirect enum SSHProxy: Sendable {
    /// A shell command whose standard input and output are the connection; `%h`, `%p` and `%r` stand for host,
    /// port and user, `%%` for a percent sign.
    case command(String)
    /// A session to another host, from which the connection is made.
    case jump(SSHConfiguration)
}
