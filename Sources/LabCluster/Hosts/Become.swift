import LabInventory

/// How the agent is started as another user than the one who logs in (`ansible_become`).
enum Become {
    /// Words to put in front of the command; none where nobody is to be become.
    /// - Throws: `ClusterError` for a method that can't be used without a terminal.
    static func prefix(_ host: InventoryHost) throws(ClusterError) -> [String] {
        guard let become = host.connection.become else { return [] }
        switch become.method {
        // -n: fail rather than ask for a password that nobody can type.
        case "sudo": return ["sudo", "-n", "-u", become.user, "--"]
        case "doas": return ["doas", "-n", "-u", become.user, "--"]
        default:
            throw ClusterError(
                .unreachableHost,
                "host '\(host.name)': ansible_become_method: \(become.method) would ask for a password (use sudo or doas, with NOPASSWD)"
            )
        }
    }
}
