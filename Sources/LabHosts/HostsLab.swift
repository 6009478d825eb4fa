import Glibc
import SystemPackage

/// The work behind ``LocalHosts``, blocking and in order: journal, network, disks, boots.
struct HostsLab: Sendable {
    /// How long a host may take from its first process to its greeting.
    static let bootSeconds: Int64 = 20
    /// How long one command waits for another of the same state directory.
    static let lockSeconds: Int64 = 60

    let identity: LabIdentity
    let directory: FilePath
    let network: HostNetwork
    let keys: HostKeys
    /// What switches a host's power, for inventories and loans.
    let power: PowerCommand

    /// - Parameter program: whose `hosts power` it is; this very program's when nil.
    init(stateDirectory: FilePath, program: FilePath? = nil) {
        // The real path, so that one directory is one lab however it is named; what does not exist yet has none.
        let absolute = Self.absolute(stateDirectory)
        identity = LabIdentity(stateDirectory: absolute)
        directory = absolute.appending("hosts")
        network = HostNetwork(identity: identity)
        keys = HostKeys(directory: directory.appending("keys"))
        power = PowerCommand(program: program ?? ProgramPath.executable, stateDirectory: absolute)
    }

    var journalPath: FilePath { directory.appending("lab.json") }
    var disksPath: FilePath { directory.appending("disks") }
    var bootsPath: FilePath { directory.appending("boot") }
    var knownHostsPath: FilePath { directory.appending("known_hosts") }
    var inventoryPath: FilePath { identity.stateDirectory.appending("inventory/local.yaml") }

    private static func absolute(_ path: FilePath) -> FilePath {
        var missing: [FilePath.Component] = []
        var existing = path.lexicallyNormalized()
        while true {
            if let real = realpath(existing.isEmpty ? "." : existing.string, nil) {
                defer { free(real) }
                var result = FilePath(String(cString: real))
                for component in missing.reversed() { result.append(component) }
                return result
            }
            guard let last = existing.lastComponent else { return path }
            missing.append(last)
            existing.removeLastComponent()
        }
    }

    // MARK: up

    func up(
        count wanted: Int?, filesystem: HostFilesystem, diskBytes: Int64, progress: (String) -> Void
    ) throws(LocalHostsError) -> HostsReport {
        let start = MonotonicClock.now()
        let isUpAlready = HostsJournal.load(journalPath).flatMap { $0.isGoingDown ? nil : $0.hosts.count }
        let count = wanted ?? isUpAlready ?? LocalHosts.defaultCount
        try preflight(count: count, filesystem: filesystem, diskBytes: diskBytes)
        try HostFiles.makeDirectory(disksPath)
        let lock = try HostsLock(directory.appending("lock"), waitSeconds: Self.lockSeconds)
        defer { lock.release() }

        var known = HostsJournal.load(journalPath)
        if known == nil || known?.isGoingDown == true {
            let removed = try clear()
            if !removed.isEmpty { progress("removed \(removed.count) leftovers of an earlier lab") }
            known = nil
        }
        if let known, known.filesystem != filesystem || known.diskBytes != diskBytes {
            throw LocalHostsError(
                .badRequest,
                "the lab is up with \(known.filesystem.rawValue) disks of \(known.diskBytes) bytes: "
                    + "run 'seatrial hosts down' first, or ask for the same")
        }
        var found = HostProcesses.find(identity)
        let mended = try mendKeys((known?.hosts ?? []).filter { $0.index <= count }, found)
        if !mended.isEmpty, known != nil { progress("mended \(mended.joined(separator: ", "))") }
        let healthy = Set(
            (known?.hosts ?? []).filter { $0.isUp && $0.index <= count }
                .filter { entry in isHealthy(entry.name, found, address: known?.subnet.address(entry.index)) }
                .map(\.index))
        var journal =
            known
            ?? HostsJournal(
                subnet: LabSubnet(number: identity.firstSubnet), filesystem: filesystem, diskBytes: diskBytes, hosts: []
            )
        let dropped = journal.hosts.filter { $0.index > count }
        let toBoot = (1...count).filter { !healthy.contains($0) }
        if toBoot.isEmpty && dropped.isEmpty && mended.isEmpty, HostFiles.exists(inventoryPath),
            HostFiles.exists(knownHostsPath)
        {
            return report(journal, booted: [], removed: [], start)
        }
        journal.hosts = (1...count).map { .init(index: $0, isUp: healthy.contains($0)) }
        let written = journal
        let subnet = try network.raise(wanted: known?.subnet) { (subnet) throws(LocalHostsError) in
            var intent = written
            intent.subnet = subnet
            try intent.save(journalPath)
        }
        guard subnet == journal.subnet || healthy.isEmpty else {
            throw LocalHostsError(
                .subnetTaken,
                "subnet \(journal.subnet.cidr) was lost while hosts are up: run 'seatrial hosts down' first")
        }
        journal.subnet = subnet
        found.removeAll { process in healthy.contains { "n\($0)" == process.host } }
        for entry in known?.hosts ?? [] where entry.isOff { try cut(entry, found) }
        try HostProcesses.end(found, identity)
        for entry in dropped { try remove(entry) }

        if !toBoot.isEmpty { progress("booting \(toBoot.count) of \(count) hosts in \(subnet.cidr)") }
        try boot(toBoot, journal, progress)
        for index in journal.hosts.indices { journal.hosts[index].isUp = true }
        try writeInventory(journal)
        try journal.save(journalPath)
        return report(journal, booted: toBoot.map { "n\($0)" }, removed: dropped.map(\.name), start)
    }

    private func preflight(count: Int, filesystem: HostFilesystem, diskBytes: Int64) throws(LocalHostsError) {
        guard (1...LabIdentity.hostLimit).contains(count) else {
            throw LocalHostsError(.badRequest, "\(count) hosts: one lab has 1 to \(LabIdentity.hostLimit)")
        }
        guard diskBytes >= HostDisk.minimumBytes, diskBytes % 4096 == 0 else {
            throw LocalHostsError(
                .badRequest,
                "a disk of \(diskBytes >> 20) MiB (\(diskBytes) bytes) cannot be: it takes \(HostDisk.minimumBytes >> 20) "
                    + "MiB or more, in steps of 4096 bytes")
        }
        guard !identity.stateDirectory.string.contains(where: { $0 == "'" || $0 == "\n" }) else {
            throw LocalHostsError(
                .badRequest, "\(identity.stateDirectory): the path holds a quote; use another directory")
        }
        try LocalHosts.requireRoot(for: "hosts up")
        for program in ["ip", "unshare", "nsenter", "mount", "tini", "sshd", "ssh-keygen", "fallocate"] {
            _ = try HostProgram.find(program)
        }
        _ = try HostProgram.find("mkfs." + filesystem.rawValue)
        for kind in ["net", "pid", "mnt", "uts", "ipc"] where !HostFiles.exists(FilePath("/proc/self/ns/\(kind)")) {
            throw LocalHostsError(
                .namespacesDenied, "this kernel has no \(kind) namespaces: use another kernel or a VM")
        }
        guard HostFiles.exists("/dev/loop-control") else {
            throw LocalHostsError(.noLoopDevice, "/dev/loop-control is not there: load the module ('modprobe loop')")
        }
    }

    func isHealthy(_ name: String, _ found: [HostProcesses.Found], address: String?) -> Bool {
        guard HostFiles.exists(FilePath(keys.host(name).string + ".pub")) else { return false }
        guard let address, let host = found.first(where: { $0.host == name && $0.isInit }) else { return false }
        return HostProbe.listens(host.pid) && HostProbe.greets(address, milliseconds: 2_000)
    }

    func boot(_ indices: [Int], _ journal: HostsJournal, _ progress: (String) -> Void) throws(LocalHostsError) {
        let disk = HostDisk(directory: disksPath, filesystem: journal.filesystem, bytes: journal.diskBytes)
        try keys.prepare(hosts: indices.map { "n\($0)" })
        if !indices.isEmpty { try disk.prepareTemplate() }
        let clientKey = try HostKeys.text(FilePath(keys.client.string + ".pub"))
        var waiting: [(boot: HostBoot, pid: pid_t)] = []
        for index in indices {
            try network.unplug(index)
            try disk.prepare("n\(index)")
            let boot = HostBoot(
                identity: identity, subnet: journal.subnet, index: index, disk: disk.image("n\(index)"),
                filesystem: journal.filesystem, hostKey: try HostKeys.text(keys.host("n\(index)")),
                clientKey: clientKey, directory: bootsPath.appending("n\(index)"))
            waiting.append((boot, try boot.start(machine: getpid())))
        }
        let deadline = MonotonicClock.now() + Self.bootSeconds * 1_000_000_000
        while !waiting.isEmpty {
            var still: [(boot: HostBoot, pid: pid_t)] = []
            for (boot, pid) in waiting {
                var status: CInt = 0
                if waitpid(pid, &status, WNOHANG) == pid { throw HostBoot.failure(host: boot.name, log: boot.log) }
                let address = journal.subnet.address(boot.index)
                if HostProbe.listens(pid) && HostProbe.greets(address, milliseconds: 500) {
                    progress("\(boot.name) is up at \(address)")
                } else {
                    still.append((boot, pid))
                }
            }
            waiting = still
            guard waiting.isEmpty || MonotonicClock.now() < deadline else {
                let names = waiting.map(\.boot.name).joined(separator: ", ")
                throw LocalHostsError(
                    .hostFailed,
                    "\(names): no answer from sshd within \(Self.bootSeconds) s; see \(waiting[0].boot.log)")
            }
            if !waiting.isEmpty { usleep(2_000) }
        }
    }

    private func remove(_ entry: HostsJournal.Entry) throws(LocalHostsError) {
        try network.unplug(entry.index)
        unlink(disksPath.appending("\(entry.name).img").string)
        removeBootFiles(entry.name)
    }

    func writeInventory(_ journal: HostsJournal) throws(LocalHostsError) {
        var knownHosts = ""
        for entry in journal.hosts {
            let key = try HostKeys.text(FilePath(keys.host(entry.name).string + ".pub"))
            knownHosts += HostsInventory.knownHost(
                name: entry.name, address: journal.subnet.address(entry.index), publicKey: key)
        }
        try HostFiles.replace(knownHostsPath, Array(knownHosts.utf8), mode: 0o644)
        let text = HostsInventory.yaml(
            names: journal.hosts.map(\.name), addresses: journal.hosts.map { journal.subnet.address($0.index) },
            key: keys.client, knownHosts: knownHostsPath, power: power)
        try HostFiles.makeDirectory(inventoryPath.removingLastComponent())
        try HostFiles.replace(inventoryPath, Array(text.utf8), mode: 0o644)
    }

    private func report(
        _ journal: HostsJournal, booted: [String], removed: [String], _ start: Int64
    ) -> HostsReport {
        HostsReport(
            hosts: list(), booted: booted, removed: removed, subnet: journal.subnet.cidr,
            duration: .nanoseconds(MonotonicClock.now() - start))
    }

    // MARK: down

    func down(progress: (String) -> Void) throws(LocalHostsError) -> HostsDownReport {
        let start = MonotonicClock.now()
        try LocalHosts.requireRoot(for: "hosts down")
        let isKnown = HostFiles.exists(directory)
        if !isKnown && remains().isEmpty {
            return HostsDownReport(hosts: [], removed: [], duration: .nanoseconds(MonotonicClock.now() - start))
        }
        try HostFiles.makeDirectory(directory)
        let lock = try HostsLock(directory.appending("lock"), waitSeconds: Self.lockSeconds)
        defer { lock.release() }
        var hosts: [String] = []
        if var journal = HostsJournal.load(journalPath) {
            hosts = journal.hosts.map(\.name)
            progress("taking \(journal.hosts.count) hosts down")
            journal.isGoingDown = true
            try journal.save(journalPath)
        }
        let removed = try clear()
        return HostsDownReport(hosts: hosts, removed: removed, duration: .nanoseconds(MonotonicClock.now() - start))
    }

    /// Removes all that is there of the lab, journal last, so that a kill in between leaves it to the next call.
    private func clear() throws(LocalHostsError) -> [Leftover] {
        let removed = remains()
        try HostProcesses.endAll(identity)
        try network.lower()
        try HostDisk.release(in: disksPath)
        for image in HostDisk.images(in: disksPath) { unlink(image.string) }
        for name in HostFiles.names(bootsPath) { removeBootFiles(name) }
        rmdir(bootsPath.string)
        unlink(inventoryPath.string)
        unlink(knownHostsPath.string)
        unlink(journalPath.string)
        return removed
    }

    private func removeBootFiles(_ name: String) {
        let path = bootsPath.appending(name)
        for file in HostFiles.names(path) { unlink(path.appending(file).string) }
        rmdir(path.string)
    }

    // MARK: looking

    var isHalfUp: Bool {
        guard let journal = HostsJournal.load(journalPath) else { return false }
        if journal.isGoingDown || journal.hosts.contains(where: { !$0.isUp && !$0.isOff }) { return true }
        let off = Set(journal.hosts.filter(\.isOff).map(\.name))
        return !off.isEmpty && HostProcesses.find(identity).contains { off.contains($0.host) }
    }

    func list() -> [LocalHost] {
        guard let journal = HostsJournal.load(journalPath) else { return [] }
        let found = HostProcesses.find(identity)
        return journal.hosts.map { entry in
            let first = found.first { $0.host == entry.name && $0.isInit }
            // The journal calls it up once it has greeted over its link; before that it listens, and nobody gets there.
            let isUp = entry.isUp && !entry.isOff && (first.map { HostProbe.listens($0.pid) } ?? false)
            let isOff = entry.isOff && !found.contains { $0.host == entry.name }
            return LocalHost(
                name: entry.name, address: journal.subnet.address(entry.index), pid: first?.pid,
                state: isOff ? .off : isUp ? .up : .down, disk: disksPath.appending("\(entry.name).img"))
        }
    }

    func leftovers() -> [Leftover] {
        guard let journal = HostsJournal.load(journalPath), !journal.isGoingDown else { return remains() }
        let found = HostProcesses.find(identity)
        let living = journal.hosts.filter { entry in
            entry.isUp && found.contains { $0.host == entry.name && $0.isInit }
        }
        return remains(living: living, off: journal.hosts.filter(\.isOff))
    }

    /// Everything of the lab that does not belong to these hosts; bridge and route belong to all of them. One that is
    /// off has its disk, and whoever waits to boot it.
    private func remains(living: [HostsJournal.Entry] = [], off: [HostsJournal.Entry] = []) -> [Leftover] {
        let hosts = living + off
        let names = Set(living.map(\.name) + off.filter { $0.loan != nil }.map { PowerCommand.timer($0.name) })
        let images = Set(living.map { disksPath.appending("\($0.name).img").string })
        let kept = images.union(off.map { disksPath.appending("\($0.name).img").string })
        var links = Set(living.map { identity.link($0.index) })
        if !hosts.isEmpty { links.insert(identity.bridge) }
        var result: [Leftover] = []
        for process in HostProcesses.find(identity) where !names.contains(process.host) {
            result.append(.init(kind: .process, name: "\(process.pid) of host \(process.host)"))
        }
        for link in network.links() where !links.contains(link) { result.append(.init(kind: .link, name: link)) }
        if hosts.isEmpty, network.hasRoute() {
            result.append(.init(kind: .route, name: "unreachable 198.18.0.0/15 metric \(identity.routeMetric)"))
        }
        let loops = HostDisk.loops(in: disksPath)
        for mount in HostDisk.mounts(of: loops) { result.append(.init(kind: .mount, name: mount)) }
        for loop in loops where !images.contains(loop.image) {
            result.append(.init(kind: .loop, name: "/dev/\(loop.device) (\(loop.image))"))
        }
        for image in HostDisk.images(in: disksPath) where !kept.contains(image.string) {
            result.append(.init(kind: .image, name: image.string))
        }
        return result
    }
}
