import Glibc
import SystemPackage

/// Starts, finds and stops the daemons of one root. The truth is on disk and in `/proc`; no state is held in memory,
/// so that an agent that was killed, and a fault's timer, know as much as this one.
struct DaemonKeeper: Sendable {
    let root: AgentRoot

    private func path(_ name: String) -> String { "daemons/\(name).json" }
    private static let lock = "daemons/.lock"
    private func marker(_ name: String) -> String { "SEATRIAL_DAEMON=\(root.path):\(name)" }

    /// The program of a request: absolute, below the root when it has a slash, or on `PATH`.
    static func executable(_ text: String, _ root: AgentRoot) throws(AgentFailure) -> String {
        if text.hasPrefix("/") { return text }
        if text.contains("/") { return try root.absolute(text) }
        for directory in ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"] {
            let path = directory + "/" + text
            if access(path, X_OK) == 0 { return path }
        }
        throw AgentFailure(.spawnFailed, "'\(text)' is not on this host's PATH; install it, or give its whole path")
    }

    /// Starts a daemon and waits for its readiness, unless nobody wants to know of that.
    func start(_ spec: DaemonSpec, waits: Bool = true) throws(AgentFailure) -> DaemonStatus {
        try validate(spec)
        let record = try root.locked(Self.lock) { () throws(AgentFailure) in try launch(spec) }
        if waits { try waitReady(record) }
        return try status(spec.name)
    }

    private func validate(_ spec: DaemonSpec) throws(AgentFailure) {
        guard DaemonRecord.isName(spec.name) else {
            throw AgentFailure(
                .badRequest, "'\(spec.name)' is no name for a daemon: letters, digits, '.', '_', '-', at most 64")
        }
        if let readiness = spec.readiness, !PortProbe.isAddress(readiness.host) {
            throw AgentFailure(.badRequest, "daemon '\(spec.name)': '\(readiness.host)' is no IPv4 address to wait for")
        }
    }

    private func launch(_ spec: DaemonSpec) throws(AgentFailure) -> DaemonRecord {
        if let old = try find(spec.name), old.status(look(old)).state != .exited {
            throw AgentFailure(
                .alreadyExists, "daemon '\(spec.name)' runs already (pid \(old.process?.pid ?? 0)); stop it first")
        }
        if let readiness = spec.readiness, PortProbe.isTaken(readiness.host, readiness.port) {
            let who = ProcessTable.listener(port: readiness.port) ?? "another process"
            throw AgentFailure(
                .portTaken,
                "daemon '\(spec.name)': port \(readiness.port) is taken by \(who); stop that or choose another port")
        }
        let program = try Self.executable(spec.executable, root)
        guard access(program, X_OK) == 0 else {
            throw AgentFailure(.spawnFailed, "daemon '\(spec.name)': '\(program)' is not there or not executable")
        }
        let directoryParts = try root.components(spec.workingDirectory ?? "")
        close(try root.directory(directoryParts, of: spec.workingDirectory ?? "", create: true))
        let log = try root.openFile(logPath(spec), O_WRONLY | O_CREAT | O_APPEND, create: true)
        defer { close(log) }
        let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard null >= 0 else { throw AgentRoot.failure("open", "/dev/null") }
        defer { close(null) }
        var environment = spec.environment
        if environment["PATH"] == nil {
            environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        }
        environment["SEATRIAL_DAEMON"] = "\(root.path):\(spec.name)"
        var record = DaemonRecord(spec: spec, process: nil, wanted: true)
        try root.save(record, path(spec.name))
        let pid = try ProcessSpawner.spawn(
            program, spec.arguments, environment: environment,
            workingDirectory: try root.absolute(spec.workingDirectory ?? ""), descriptors: [null, log, log])
        // Our child until we reap it, so its entry is there even if it has ended.
        record.process = ProcessTable.look(pid)?.identity
        try root.save(record, path(spec.name))
        return record
    }

    private func waitReady(_ record: DaemonRecord) throws(AgentFailure) {
        let spec = record.spec
        guard let readiness = spec.readiness else { return }
        let isSettled = ProcessTable.wait(milliseconds: readiness.timeoutMilliseconds) {
            guard let entry = look(record), !entry.isZombie else { return true }
            return PortProbe.accepts(readiness.host, readiness.port, milliseconds: 100)
        }
        let entry = look(record)
        if isSettled, let entry, !entry.isZombie { return }
        let status = try status(spec.name)
        let how = status.exitCode.map { "exit status \($0)" } ?? status.exitSignal.map { "signal \($0)" } ?? "no status"
        let end = isSettled ? "ended before it was ready (\(how))" : "does not answer on port \(readiness.port)"
        throw AgentFailure(.notReady, "daemon '\(spec.name)' \(end); its log ends: \(logEnd(spec))")
    }

    /// SIGTERM, then SIGKILL to its whole process group after the grace.
    func stop(_ name: String, graceMilliseconds: Int64) throws(AgentFailure) -> DaemonStatus {
        let record = try root.locked(Self.lock) { () throws(AgentFailure) in
            var record = try require(name)
            record.wanted = false
            try root.save(record, path(name))
            return record
        }
        if let process = record.process, ProcessTable.signal(process, SIGTERM) {
            // A stopped process gets no SIGTERM before it goes on.
            ProcessTable.signal(process, SIGCONT)
            let isGone = { look(record)?.isZombie ?? true }
            if !ProcessTable.wait(milliseconds: max(0, graceMilliseconds), until: isGone) {
                if ProcessTable.look(process) != nil { kill(-process.pid, SIGKILL) }
                guard ProcessTable.wait(milliseconds: AgentLimits.faultProbeMilliseconds, until: isGone) else {
                    throw AgentFailure(.timedOut, "daemon '\(name)' (pid \(process.pid)) does not end even on SIGKILL")
                }
            }
        }
        return try status(name)
    }

    /// Sends one signal to a running daemon.
    func signal(_ name: String, _ signal: Int32) throws(AgentFailure) -> DaemonStatus {
        guard (1...64).contains(signal) else { throw AgentFailure(.badRequest, "\(signal) is no signal") }
        guard let process = try require(name).process, ProcessTable.signal(process, signal) else {
            throw AgentFailure(.notFound, "daemon '\(name)' does not run, so no signal reaches it")
        }
        return try status(name)
    }

    /// A daemon as it is now; reaps it and keeps how it ended if it was our child.
    func status(_ name: String) throws(AgentFailure) -> DaemonStatus {
        var record = try require(name)
        if let process = record.process, let entry = ProcessTable.look(process), entry.isZombie {
            var status: CInt = 0
            if waitpid(process.pid, &status, WNOHANG) == process.pid {
                let ending = WaitStatus(status)
                record.exitCode = ending.exitCode
                record.exitSignal = ending.signal
                let (code, signal) = (ending.exitCode, ending.signal)
                try root.locked(Self.lock) { () throws(AgentFailure) in
                    guard var current = try find(name), current.process == process else { return }
                    current.exitCode = code
                    current.exitSignal = signal
                    try root.save(current, path(name))
                }
            }
        }
        return record.status(look(record))
    }

    /// All daemons, by name.
    func all() throws(AgentFailure) -> [DaemonStatus] {
        let entries: [DirectoryEntry]
        do { entries = try root.list("daemons") } catch  where error.code == .notFound { return [] }
        var result: [DaemonStatus] = []
        for entry in entries where entry.name.hasSuffix(".json") && !entry.name.hasPrefix(".") {
            result.append(try status(String(entry.name.dropLast(5))))
        }
        return result
    }

    /// Removes the record of a daemon that does not run; none is no error.
    func forget(_ name: String) throws(AgentFailure) {
        guard let record = try find(name) else { return }
        guard record.status(look(record)).state == .exited else {
            throw AgentFailure(.alreadyExists, "daemon '\(name)' still runs; stop it before it is forgotten")
        }
        try root.remove(path(name))
    }

    /// A piece of its log.
    func readLog(_ name: String, offset: Int64, limit: Int) throws(AgentFailure) -> FileChunk {
        try root.read(logPath(try require(name).spec), offset: offset, limit: limit)
    }

    private func logPath(_ spec: DaemonSpec) -> String { spec.logPath ?? "logs/\(spec.name).log" }

    private func logEnd(_ spec: DaemonSpec) -> String {
        guard let chunk = try? root.read(logPath(spec), offset: -1_000, limit: 1_000) else { return "(no log)" }
        let lines = String(decoding: chunk.content.bytes, as: UTF8.self).split(separator: "\n").suffix(4)
        return lines.isEmpty ? "(empty)" : lines.joined(separator: " | ")
    }

    private func look(_ record: DaemonRecord) -> ProcessTable.Entry? {
        record.process.flatMap { ProcessTable.look($0) }
    }

    private func require(_ name: String) throws(AgentFailure) -> DaemonRecord {
        guard let record = try find(name) else { throw AgentFailure(.notFound, "this host knows no daemon '\(name)'") }
        return record
    }

    /// The record of a daemon. If its start was cut short between intent and record, the process is found by its
    /// environment.
    private func find(_ name: String) throws(AgentFailure) -> DaemonRecord? {
        guard DaemonRecord.isName(name) else { throw AgentFailure(.badRequest, "'\(name)' is no name for a daemon") }
        guard var record = try root.load(DaemonRecord.self, path(name)) else { return nil }
        if record.process == nil { record.process = ProcessTable.find(environment: marker(name)) }
        return record
    }
}
