/// How a remote command ended.
public struct SSHCommandExit: Sendable, Hashable {
    /// The exit status, or nil if a signal ended the command.
    public var status: Int32?
    /// The signal that ended it, without `SIG`, or nil.
    public var signal: String?

    /// Makes an exit.
    public init(status: Int32?, signal: String? = nil) {
        self.status = status
        self.signal = signal
    }
}
