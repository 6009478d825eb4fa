import Glibc
import SystemPackage

/// Out-of-band power of single hosts: what a machine's baseboard controller is to it.
///
/// The journal tells what is meant before anything is done, so that whoever comes next finishes what a killed command
/// began: `isOff` before the cut; `isOff` taken back before the boot; `isUp` once `sshd` has greeted. Of a cut that ends by
/// itself the timer runs before the journal tells of it: whoever is killed in between has done nothing.
extension HostsLab {
    /// The longest loan: a day, after which nobody remembers it.
    static let longestLoanSeconds = 86_400.0
    /// The longest sleep of a loan's process between two looks at the journal.
    private static let lookMicroseconds: Int64 = 500_000
    /// The sleep of a loan's process of which the journal does not tell yet.
    private static let lockMicroseconds: Int64 = 20_000
    /// The longest pause between two tries to boot a host whose loan is due, and how long they go on.
    private static let retryMicroseconds: Int64 = 5_000_000
    private static let retryNanoseconds: Int64 = 3_600_000_000_000

    // MARK: off

    func powerOff(_ name: String, for seconds: Double?) throws(LocalHostsError) -> PowerCut {
        try LocalHosts.requireRoot(for: "hosts power off \(name)")
        if let seconds, !(seconds > 0 && seconds <= Self.longestLoanSeconds) {
            throw LocalHostsError(
                .badRequest, "power off for \(seconds) s: above 0, at most \(Int(Self.longestLoanSeconds))")
        }
        let lock = try HostsLock(journalIsThere(for: name), waitSeconds: Self.lockSeconds)
        defer { lock.release() }
        var (journal, place) = try find(name)
        let found = HostProcesses.find(identity)
        journal.hosts[place].isOff = true
        journal.hosts[place].isUp = false
        journal.hosts[place].loan = seconds.map { seconds in
            HostsJournal.Loan(
                uid: String(UInt64.random(in: 1...UInt64.max), radix: 16),
                dueAtBoot: MonotonicClock.sinceBoot() + Int64(seconds * 1e9))
        }
        let entry = journal.hosts[place]
        // The timer before all else, and the new one before the old one's end: whatever happens in between, the host has
        // one. A timer of which no journal ever tells ends as soon as the lock is free.
        if let loan = entry.loan { try startTimer(entry, loan) }
        try journal.save(journalPath)
        try HostProcesses.end(found.filter { $0.host == PowerCommand.timer(name) }, identity)
        return try cut(entry, found)
    }

    /// Cuts the power of a host that the journal says is off; nothing is done to one whose power is off already.
    ///
    /// 1. *The link* first: a dead machine sends no FIN and no RST, and nothing that a process says from here on (as of
    ///    the errors that come now) reaches anybody.
    /// 2. *The disk*, while it is mounted: the end of the mount namespace is a clean unmount, which writes everything
    ///    back. Nothing that a process does later reaches the disk, so this is the moment at which the power goes.
    /// 3. *The processes*: with PID 1 the kernel ends all of its namespace, and then namespaces and mounts.
    /// 4. Until the loop device has let go: a boot before that would mount the dead filesystem again.
    @discardableResult
    func cut(_ entry: HostsJournal.Entry, _ found: [HostProcesses.Found]) throws(LocalHostsError) -> PowerCut {
        let image = disksPath.appending("\(entry.name).img")
        let processes = found.filter { $0.host == entry.name }
        let isThere = !processes.isEmpty || HostFiles.exists(FilePath("/sys/class/net/\(identity.link(entry.index))"))
        try network.silence(entry.index)
        var didLose = false
        for first in processes where first.isInit {
            didLose = try HostShutdown(pid: first.pid, image: image).perform() || didLose
        }
        try HostProcesses.end(processes, identity)
        try HostDisk.awaitRelease(of: image)
        try network.unplug(entry.index)
        return isThere ? (didLose ? .withDisk : .withoutDisk) : .nothing
    }

    private func startTimer(_ entry: HostsJournal.Entry, _ loan: HostsJournal.Loan) throws(LocalHostsError) {
        let words = power.whenDue(entry.name, loan: loan.uid)
        let folder = bootsPath.appending(entry.name)
        try HostFiles.makeDirectory(folder, mode: 0o700)
        let environment = [
            identity.marker, "SEATRIAL_HOST=\(PowerCommand.timer(entry.name))",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
        ]
        _ = try HostProgram.spawn(words[0], words, environment: environment, newSession: true) { actions in
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
            posix_spawn_file_actions_addopen(
                &actions, 1, folder.appending("power.log").string, O_WRONLY | O_CREAT | O_APPEND, 0o600)
            posix_spawn_file_actions_adddup2(&actions, 1, 2)
        }
    }

    // MARK: on

    func powerOn(_ name: String) throws(LocalHostsError) -> Bool {
        try LocalHosts.requireRoot(for: "hosts power on \(name)")
        let lock = try HostsLock(journalIsThere(for: name), waitSeconds: Self.lockSeconds)
        defer { lock.release() }
        var (journal, place) = try find(name)
        let found = HostProcesses.find(identity)
        let entry = journal.hosts[place]
        if entry.isUp, !entry.isOff, isHealthy(name, found, address: journal.subnet.address(entry.index)) {
            return false
        }
        if entry.isOff { try cut(entry, found) }
        // The loan stays in the journal until the host is up: should this be killed, its timer still boots the host.
        journal.hosts[place].isOff = false
        journal.hosts[place].isUp = false
        let intent = journal
        let subnet = try network.raise(wanted: journal.subnet) { (_) throws(LocalHostsError) in
            try intent.save(journalPath)
        }
        guard subnet == journal.subnet else {
            throw LocalHostsError(
                .subnetTaken,
                "subnet \(journal.subnet.cidr) was lost while host \(name) was off: run 'seatrial hosts down' first")
        }
        try HostProcesses.end(found.filter { $0.host == name }, identity)
        try boot([entry.index], journal) { _ in }
        journal.hosts[place].isUp = true
        journal.hosts[place].loan = nil
        try writeInventory(journal)
        try journal.save(journalPath)
        // A timer that boots the host is no other process's to end.
        let timers = HostProcesses.find(identity).filter { $0.host == PowerCommand.timer(name) && $0.pid != getpid() }
        try HostProcesses.end(timers, identity)
        return true
    }

    func powerOnWhenDue(_ name: String, loan uid: String) {
        let start = MonotonicClock.sinceBoot()
        var pause: Int64 = 100_000
        while MonotonicClock.sinceBoot() - start < Int64(Self.longestLoanSeconds * 1e9) + Self.retryNanoseconds {
            guard let loan = loan(uid, of: name) else {
                // Over, or not yet written by whoever started this process and holds the lock until it is.
                guard HostsLock.isHeld(directory.appending("lock")) else {
                    if self.loan(uid, of: name) == nil { return }
                    continue
                }
                usleep(UInt32(Self.lockMicroseconds))
                continue
            }
            let left = loan.dueAtBoot - MonotonicClock.sinceBoot()
            if left > 0 {
                usleep(UInt32(min(left / 1_000 + 1, Self.lookMicroseconds)))
                continue
            }
            do throws(LocalHostsError) {
                _ = try powerOn(name)
                return
            } catch {
                let line = "power of \(name): \(error.message)\n"
                _ = line.withCString { Glibc.write(2, $0, strlen($0)) }
                usleep(UInt32(pause))
                pause = min(2 * pause, Self.retryMicroseconds)
            }
        }
    }

    private func loan(_ uid: String, of name: String) -> HostsJournal.Loan? {
        HostsJournal.load(journalPath)?.hosts.first { $0.name == name }?.loan.flatMap { $0.uid == uid ? $0 : nil }
    }

    // MARK: who

    /// The lock's path, once it is known that there is a lab to lock.
    private func journalIsThere(for name: String) throws(LocalHostsError) -> FilePath {
        guard HostFiles.exists(journalPath) else {
            throw LocalHostsError(
                .badRequest,
                "no host '\(name)': there are none in \(identity.stateDirectory) (bring some up with 'seatrial hosts up')"
            )
        }
        return directory.appending("lock")
    }

    private func find(_ name: String) throws(LocalHostsError) -> (journal: HostsJournal, place: Int) {
        guard let journal = HostsJournal.load(journalPath), !journal.isGoingDown else {
            throw LocalHostsError(
                .state, "\(journalPath): the hosts are half down; run 'seatrial hosts down', or 'seatrial hosts up'")
        }
        guard let place = journal.hosts.firstIndex(where: { $0.name == name }) else {
            let names = journal.hosts.map(\.name).joined(separator: ", ")
            throw LocalHostsError(.badRequest, "no host '\(name)' here (there are: \(names))")
        }
        return (journal, place)
    }
}
