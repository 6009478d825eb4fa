public import SystemPackage

/// How a host is reached.
public struct HostConnection: Sendable, Hashable {
    /// The kinds of connection.
    public enum Kind: String, Sendable, Hashable {
        /// Over SSH.
        case ssh
        /// On this machine, without SSH (`ansible_connection: local`).
        case local
    }

    /// SSH, or none.
    public var kind: Kind
    /// A numeric address, or a name that resolves.
    public var address: String
    /// The port of its `sshd`.
    public var port: Int
    /// The account.
    public var user: String
    /// The private key file, if one is named; else the agent's keys are meant.
    public var privateKey: FilePath?
    /// The files with the keys of known hosts.
    public var knownHosts: [FilePath]
    /// The way to the host, if not directly.
    public var proxy: HostProxy?
    /// How to become another user once there, if asked for.
    public var become: HostBecome?
}

/// The way to a host that can't be reached directly.
public indirect enum HostProxy: Sendable, Hashable {
    /// A shell command whose standard input and output are the connection (`ProxyCommand`).
    case command(String)
    /// Another host, from which the connection is made (`ProxyJump`); it may have a proxy itself.
    case jump(HostConnection)
}

/// Becoming another user (`ansible_become*`).
public struct HostBecome: Sendable, Hashable {
    /// The program that does it: `sudo`, `doas`, `su`, …
    public var method: String
    /// The user to become.
    public var user: String
}
