import Glibc
import SystemPackage

extension HostsLab {
    /// Makes the lab's keys fit the hosts that run, without a boot: whoever deleted or damaged one is let in again.
    ///
    /// 1. A host's key is what its `sshd` serves: where ours differs or is gone, it is taken from the host.
    /// 2. The client's key is ours: each host that knows another is given it; `sshd` reads that file at every login.
    /// - Returns: names of the key files and hosts that were mended; empty when all fitted.
    func mendKeys(
        _ hosts: [HostsJournal.Entry], _ found: [HostProcesses.Found]
    ) throws(LocalHostsError) -> [String] {
        var mended: [String] = []
        if try keys.prepareClient() { mended.append("the client's key") }
        let clientKey = try HostKeys.text(FilePath(keys.client.string + ".pub"))
        for entry in hosts {
            guard let first = found.first(where: { $0.host == entry.name && $0.isInit }) else { continue }
            let inside = FilePath("/proc/\(first.pid)/root/run/seatrial")
            if let served = HostFiles.text(inside.appending("host_key")),
                try keys.adopt(served, for: entry.name)
            {
                mended.append("\(entry.name)'s host key")
            }
            let allowed = inside.appending("authorized_keys")
            if let known = HostFiles.text(allowed), known != clientKey {
                try HostFiles.replace(allowed, Array(clientKey.utf8), mode: 0o600)
                mended.append("\(entry.name)'s list of clients")
            }
        }
        return mended
    }
}
