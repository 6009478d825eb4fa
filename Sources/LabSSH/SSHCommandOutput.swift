/// A piece of what a running command wrote.
public enum SSHCommandOutput: Sendable, Hashable {
    /// From its standard output.
    case standardOutput([UInt8])
    /// From its standard error.
    case standardError([UInt8])
}
