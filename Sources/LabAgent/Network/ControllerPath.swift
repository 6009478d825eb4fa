import Glibc

/// Finds out over which connection this agent is spoken to.
enum ControllerPath {
    /// The most ancestors that are looked at: `sudo` and a shell stand between the agent and `sshd`, not a crowd.
    private static let ancestors = 16

    /// What `sshd` told the agent or, where `sudo` took the environment away, one of its ancestors; nil for an agent that was
    /// not started over SSH.
    static func find() -> SSHPath? {
        var pid = getpid()
        for _ in 0..<ancestors {
            if let path = ProcessTable.environment(of: pid, "SSH_CONNECTION").flatMap({ SSHPath($0) }) {
                return path
            }
            guard let parent = ProcessTable.parent(of: pid), parent > 0 else { return nil }
            pid = parent
        }
        return nil
    }
}
