import Glibc

/// The requests by name, each with its own kind of answer.
extension AgentClient {
    /// Opens the conversation and learns what the host can do.
    ///
    /// Throws `versionMismatch` when the agent speaks another protocol.
    public func hello(agentVersion: String) async throws(AgentFailure) -> AgentHello {
        let request = AgentRequest.hello(protocolVersion: AgentLimits.protocolVersion, agentVersion: agentVersion)
        guard case .hello(let hello) = try await call(request) else { throw AgentClient.mismatch("hello") }
        return hello
    }

    /// The host's clocks, at some time between asking and answer.
    public func clock() async throws(AgentFailure) -> AgentClock {
        guard case .clock(let clock) = try await call(.clock) else { throw AgentClient.mismatch("clock") }
        return clock
    }

    /// Compares the host's realtime clock with this machine's over `samples` exchanges; the shortest one counts.
    public func calibrateClock(samples: Int = 8) async throws(AgentFailure) -> ClockCalibration {
        precondition((1...1_000).contains(samples), "\(samples) clock samples")
        var taken: [ClockCalibration.Sample] = []
        for _ in 0..<samples {
            let sent = HostClock.realtimeNanoseconds()
            let host = try await clock().realtimeNanoseconds
            taken.append(.init(sent: sent, host: host, received: HostClock.realtimeNanoseconds()))
        }
        guard let calibration = ClockCalibration(samples: taken) else {
            throw AgentFailure(.system, "this machine's clock was set back during the calibration; try again")
        }
        return calibration
    }

    /// Starts a daemon and waits until it is ready.
    ///
    /// Throws `portTaken`, `alreadyExists` (it runs), `spawnFailed`, `notReady` (with the end of its log).
    @discardableResult
    public func startDaemon(_ spec: DaemonSpec) async throws(AgentFailure) -> DaemonStatus {
        let wait = Duration.milliseconds(spec.readiness?.timeoutMilliseconds ?? 0)
        return try await daemon(.daemonStart(spec), wait)
    }

    /// Stops a daemon: SIGTERM, and SIGKILL after the grace.
    @discardableResult
    public func stopDaemon(_ name: String, grace: Duration = .seconds(5)) async throws(AgentFailure) -> DaemonStatus {
        try await daemon(.daemonStop(name: name, graceMilliseconds: grace.wholeMilliseconds), grace)
    }

    /// Sends a daemon one signal, without a loan: for SIGHUP and the like.
    @discardableResult
    public func signalDaemon(_ name: String, _ signal: Int32) async throws(AgentFailure) -> DaemonStatus {
        try await daemon(.daemonSignal(name: name, signal: signal), .zero)
    }

    /// All daemons the host remembers, as they are now.
    public func daemons() async throws(AgentFailure) -> [DaemonStatus] {
        guard case .daemons(let all) = try await call(.daemonStatus) else { throw AgentClient.mismatch("daemonStatus") }
        return all
    }

    /// Removes the record of a daemon that does not run.
    public func forgetDaemon(_ name: String) async throws(AgentFailure) {
        try await done(.daemonForget(name: name))
    }

    /// A piece of a daemon's log; a negative offset counts from the end.
    public func readLog(
        daemon: String, offset: Int64, limit: Int = AgentLimits.chunkBytes
    ) async throws(AgentFailure) -> FileChunk {
        try await chunk(.logRead(daemon: daemon, offset: offset, limit: limit))
    }

    /// Runs a program on the host to its end, without a shell.
    public func run(_ request: RunRequest) async throws(AgentFailure) -> RunResult {
        let wait = Duration.milliseconds(request.timeoutMilliseconds)
        guard case .run(let result) = try await call(.run(request), allowance: wait) else {
            throw AgentClient.mismatch("run")
        }
        return result
    }

    /// Replaces a file below the root in one step, synced to disk.
    public func writeFile(_ path: String, _ bytes: [UInt8], mode: UInt32 = 0o644) async throws(AgentFailure) {
        try await done(.fileWrite(path: path, content: AgentBytes(bytes), mode: mode))
    }

    /// A piece of a file below the root; a negative offset counts from the end.
    public func readFile(
        _ path: String, offset: Int64 = 0, limit: Int = AgentLimits.chunkBytes
    ) async throws(AgentFailure) -> FileChunk {
        try await chunk(.fileRead(path: path, offset: offset, limit: limit))
    }

    /// Removes a file or tree below the root.
    public func removePath(_ path: String) async throws(AgentFailure) {
        try await done(.pathRemove(path: path))
    }

    /// Lists a directory below the root.
    public func listDirectory(_ path: String) async throws(AgentFailure) -> [DirectoryEntry] {
        guard case .entries(let entries) = try await call(.directoryList(path: path)) else {
            throw AgentClient.mismatch("directoryList")
        }
        return entries
    }

    /// Does a fault as a loan; look at `bit` in the answer: a fault that did not bite proves nothing.
    public func injectFault(_ loan: FaultLoan) async throws(AgentFailure) -> FaultRecord {
        try await fault(.faultInject(loan))
    }

    /// Undoes a fault now.
    public func revertFault(_ uid: String) async throws(AgentFailure) -> FaultRecord {
        try await fault(.faultRevert(uid: uid))
    }

    /// All loans the host remembers, and those whose records it can't read.
    public func faults() async throws(AgentFailure) -> FaultSweep {
        try await faults(.faultList)
    }

    /// Undoes everything that is lent, as far as it can be undone; look at `failures` in the answer.
    @discardableResult
    public func healAllFaults() async throws(AgentFailure) -> FaultSweep {
        try await faults(.faultHealAll)
    }

    /// Tries which peers answer the host within a time; one answer for each probe, in their order.
    public func probeNetwork(
        _ probes: [NetworkProbe], milliseconds: Int64
    ) async throws(AgentFailure) -> [NetworkAnswer] {
        let request = AgentRequest.networkProbe(probes: probes, timeoutMilliseconds: milliseconds)
        guard
            case .answers(let answers) = try await call(request, allowance: .milliseconds(milliseconds)),
            answers.count == probes.count
        else { throw AgentClient.mismatch("networkProbe") }
        return answers
    }

    /// Undoes all faults, stops all daemons, removes the root directory. The agent ends after it.
    @discardableResult
    public func destroy(
        grace: Duration = .seconds(5)
    ) async throws(AgentFailure) -> (daemons: [String], faults: [String]) {
        let request = AgentRequest.destroy(graceMilliseconds: grace.wholeMilliseconds)
        guard case .destroyed(let daemons, let faults) = try await call(request, allowance: grace) else {
            throw AgentClient.mismatch("destroy")
        }
        return (daemons, faults)
    }

    private static func mismatch(_ request: String) -> AgentFailure {
        AgentFailure(.badRequest, "the agent gave an answer that does not belong to '\(request)'")
    }

    private func daemon(_ request: AgentRequest, _ wait: Duration) async throws(AgentFailure) -> DaemonStatus {
        guard case .daemon(let status) = try await call(request, allowance: wait) else {
            throw AgentClient.mismatch("daemon")
        }
        return status
    }

    private func done(_ request: AgentRequest) async throws(AgentFailure) {
        guard case .done = try await call(request) else { throw AgentClient.mismatch("done") }
    }

    private func chunk(_ request: AgentRequest) async throws(AgentFailure) -> FileChunk {
        guard case .chunk(let chunk) = try await call(request) else { throw AgentClient.mismatch("chunk") }
        return chunk
    }

    private func fault(_ request: AgentRequest) async throws(AgentFailure) -> FaultRecord {
        let probes = Duration.milliseconds(2 * AgentLimits.faultProbeMilliseconds)
        guard case .fault(let record) = try await call(request, allowance: probes) else {
            throw AgentClient.mismatch("fault")
        }
        return record
    }

    private func faults(_ request: AgentRequest) async throws(AgentFailure) -> FaultSweep {
        guard case .faults(let records) = try await call(request, allowance: .seconds(30)) else {
            throw AgentClient.mismatch("faults")
        }
        return records
    }
}

extension Duration {
    /// Whole milliseconds, rounded down.
    var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    }
}
