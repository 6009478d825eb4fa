import Glibc
import SystemPackage

/// Does and undoes faults. Undo on disk and timer running come before the deed; the probe comes after it.
struct FaultKeeper: Sendable {
    let root: AgentRoot
    var daemons: DaemonKeeper { DaemonKeeper(root: root) }

    init(root: AgentRoot) { self.root = root }

    func path(_ uid: String) -> String { "faults/\(uid).json" }
    func lock(_ uid: String) -> String { "faults/.\(uid).lock" }
    /// The blocks of the record that is written while the disk may be full.
    private func spare(_ uid: String) -> String { "faults/.\(uid).spare" }

    /// Does a fault as a loan.
    ///
    /// One that did not bite is undone at once and answered as healed with `bit` false.
    func inject(_ loan: FaultLoan) throws(AgentFailure) -> FaultRecord {
        try LoanRules.validate(loan)
        return try root.locked(lock(loan.uid)) { () throws(AgentFailure) in
            if let old = try root.load(FaultRecord.self, path(loan.uid)), old.state != .healed {
                throw AgentFailure(
                    .alreadyExists, "fault '\(loan.uid)' is lent already (\(old.state.rawValue)); heal it first")
            }
            try checkTarget(loan.kind)
            var record = LoanRules.arm(
                loan, root: root.path.string, realtime: HostClock.realtimeNanoseconds(),
                boot: HostClock.bootNanoseconds(),
                bootID: HostClock.bootID())
            try root.save(record, path(loan.uid))
            do throws(AgentFailure) {
                // Noted with the next record: a second timer, which whoever finds none noted would start, does no harm.
                record.timer = try startTimer(loan.uid)
                if case .diskFull = loan.kind { try root.reserve(spare(loan.uid)) }
                let deedAt = HostClock.realtimeNanoseconds()
                let outcome = try doDeed(record)
                record.didDeed(at: deedAt, outcome, seenAt: HostClock.realtimeNanoseconds())
                if case .diskFull = loan.kind {
                    try root.save(record, path(loan.uid), into: spare(loan.uid))
                } else {
                    try root.save(record, path(loan.uid))
                }
            } catch {
                // The deed may have happened in part: undo it before the failure is told.
                record.message = error.message
                do throws(AgentFailure) { record = try undo(record, restarts: true) } catch let second {
                    // The timer goes on trying; what failed first must not be hidden by what failed after it.
                    throw AgentFailure(error.code, "\(error.message); then its undo failed: \(second.message)")
                }
                throw error
            }
            return record.bit == true ? record : try undo(record, restarts: true)
        }
    }

    /// Undoes a fault; one that has healed stays as it is.
    ///
    /// With `restarts` false a killed daemon stays down: for `destroy`.
    func revert(_ uid: String, restarts: Bool = true, isTimer: Bool = false) throws(AgentFailure) -> FaultRecord {
        guard DaemonRecord.isName(uid) else { throw AgentFailure(.badRequest, "'\(uid)' is no name for a fault") }
        guard try root.load(FaultRecord.self, path(uid)) != nil else {
            throw AgentFailure(.notFound, "this host knows no fault '\(uid)'")
        }
        return try root.locked(lock(uid)) { () throws(AgentFailure) in
            guard let record = try root.load(FaultRecord.self, path(uid)) else {
                throw AgentFailure(.notFound, "this host knows no fault '\(uid)'")
            }
            return record.state == .healed ? record : try undo(record, restarts: restarts, isTimer: isTimer)
        }
    }

    /// All loans, by uid; one whose record can't be read is named, and hides no other.
    /// - Throws: when the list itself can't be had.
    func all() throws(AgentFailure) -> FaultSweep {
        let entries: [DirectoryEntry]
        do { entries = try root.list("faults") } catch  where error.code == .notFound {
            return FaultSweep(records: [], failures: [])
        }
        var sweep = FaultSweep(records: [], failures: [])
        for entry in entries where entry.name.hasSuffix(".json") && !entry.name.hasPrefix(".") {
            let uid = String(entry.name.dropLast(5))
            do throws(AgentFailure) {
                guard let record = try root.load(FaultRecord.self, path(uid)) else { continue }
                guard record.loan.uid == uid else {
                    throw AgentFailure(.system, "'\(path(uid))' is the record of '\(record.loan.uid)'")
                }
                sweep.records.append(record)
            } catch {
                sweep.failures.append(FaultFailure(uid: uid, message: error.message))
            }
        }
        return sweep
    }

    /// Undoes everything; goes on when one sticks or can't be read or written, and answers all as they then are.
    func healAll(restarts: Bool = true) throws(AgentFailure) -> FaultSweep {
        var failed: [FaultFailure] = []
        for record in try all().records where record.state != .healed {
            do throws(AgentFailure) {
                _ = try revert(record.loan.uid, restarts: restarts)
            } catch {
                failed.append(FaultFailure(uid: record.loan.uid, message: error.message))
            }
        }
        var after = try all()
        do throws(AgentFailure) {
            for line in try removeStrayTables(everyVersion: true) { AgentLog(root: root).write(line) }
        } catch {
            failed.append(FaultFailure(uid: NetworkScript.family, message: error.message))
        }
        let unreadable = Set(after.failures.map(\.uid))
        after.failures += failed.filter { !unreadable.contains($0.uid) }
        after.failures.sort { $0.uid < $1.uid }
        return after
    }

    /// Gives a timer to each loan that has none: an agent was killed between undo and timer, or the host booted again.
    /// - Returns: the loans for which that failed.
    func resume() throws(AgentFailure) -> [FaultFailure] {
        let sweep = try all()
        var failures = sweep.failures
        do throws(AgentFailure) {
            for line in try removeStrayTables(everyVersion: false) { AgentLog(root: root).write(line) }
        } catch {
            failures.append(FaultFailure(uid: NetworkScript.family, message: error.message))
        }
        for record in sweep.records where record.state != .healed {
            do throws(AgentFailure) {
                try resume(record.loan.uid)
            } catch {
                failures.append(FaultFailure(uid: record.loan.uid, message: "it has no timer: \(error.message)"))
            }
        }
        return failures
    }

    private func resume(_ uid: String) throws(AgentFailure) {
        try root.locked(lock(uid)) { () throws(AgentFailure) in
            guard var record = try root.load(FaultRecord.self, path(uid)), record.state != .healed,
                record.timer.flatMap({ ProcessTable.look($0) })?.isZombie ?? true
            else { return }
            if try lostItsRules(record) {
                _ = try undo(record, restarts: true, isTimer: true)
                return
            }
            record.timer = try startTimer(uid)
            try root.save(record, path(uid))
        }
    }

    /// The detached timer's whole life: sleeps until the loan is due and reverts it. What it can't read or undo it tries
    /// again, with growing pauses, and tells in the agent's log.
    func revertWhenDue(_ uid: String) {
        let start = HostClock.bootNanoseconds()
        var failures = 0
        var told = ""
        while true {
            let problem: String
            switch step(uid) {
            case .over: return
            case .wait(let left):
                let nanoseconds = min(left, beat(uid) ?? left)
                // In slices, so that a timer whose fault was healed or removed does not outlive it for long.
                usleep(UInt32(min(nanoseconds / 1_000 + 1, 500_000)))
                continue
            case .failed(let reason): problem = reason
            }
            failures += 1
            if problem != told { AgentLog(root: root).write("timer of fault '\(uid)': \(problem)") }
            told = problem
            let elapsed = (HostClock.bootNanoseconds() - start) / 1_000_000
            guard let pause = LoanRules.timerPauseMilliseconds(failures: failures, afterMilliseconds: elapsed) else {
                return AgentLog(root: root).write("timer of fault '\(uid)': gives up after \(failures) tries")
            }
            usleep(UInt32(pause * 1_000))
        }
    }

    private enum TimerStep {
        /// Healed, or forgotten together with the root.
        case over
        case wait(nanoseconds: Int64)
        case failed(String)
    }

    private func step(_ uid: String) -> TimerStep {
        do throws(AgentFailure) {
            guard let record = try root.load(FaultRecord.self, path(uid)), record.state != .healed else { return .over }
            let remaining = record.remaining(boot: HostClock.bootNanoseconds(), bootID: HostClock.bootID())
            if remaining > 0 { return .wait(nanoseconds: remaining) }
            let after = try revert(uid, isTimer: true)
            return after.state == .healed ? .over : .failed(after.message ?? "it is \(after.state.rawValue)")
        } catch  where error.code == .notFound {
            return .over
        } catch {
            return .failed(error.message)
        }
    }

    private func checkTarget(_ kind: FaultKind) throws(AgentFailure) {
        switch kind {
        case .processSignal(let daemon, _), .processRestart(let daemon, _), .crashLoop(let daemon, _):
            guard try daemons.status(daemon).state != .exited else {
                throw AgentFailure(.notFound, "daemon '\(daemon)' does not run, so a fault on it would prove nothing")
            }
        case .storeWipe(let path):
            guard try !root.components(path).isEmpty else {
                throw AgentFailure(.badRequest, "'\(path)' is the agent's root, which only destroy removes")
            }
            close(try root.directory(root.components(path), of: path))
        case .diskFull(let path): close(try root.directory(root.components(path), of: path))
        case .network(let fault): try checkNetwork(fault)
        }
    }

    private func startTimer(_ uid: String) throws(AgentFailure) -> ProcessIdentity? {
        var target = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = target.withUnsafeMutableBytes { buffer in
            readlink("/proc/self/exe", buffer.bindMemory(to: CChar.self).baseAddress!, buffer.count)
        }
        guard count > 0 else { throw AgentRoot.failure("read", "/proc/self/exe") }
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard null >= 0 else { throw AgentRoot.failure("open", "/dev/null") }
        defer { close(null) }
        let pid = try ProcessSpawner.spawn(
            String(decoding: target[..<count], as: UTF8.self),
            ["revert-after", "--root", root.path.string, "--uid", uid],
            environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"], workingDirectory: "/",
            descriptors: [null, null, null])
        return ProcessTable.look(pid)?.identity
    }

    /// Does it and waits for its effect; returns whether the effect was seen.
    private func doDeed(_ record: FaultRecord) throws(AgentFailure) -> DeedOutcome {
        switch record.loan.kind {
        case .processSignal(let daemon, let signal):
            return DeedOutcome(
                bit: try signalDaemon(daemon, signal, LoanRules.expectation(record.loan.kind)))
        case .processRestart(let daemon, let signal): return try restart(daemon, signal)
        case .crashLoop(let daemon, _):
            return DeedOutcome(bit: try signalDaemon(daemon, SIGKILL, .gone))
        case .storeWipe(let path):
            try root.empty(path)
            return DeedOutcome(bit: try root.list(path).isEmpty)
        case .diskFull(let path):
            return DeedOutcome(
                bit: try DiskFill(root: root, directory: path, uid: record.loan.uid).fill())
        case .network(let fault):
            guard case .removeTable(let table) = record.undo else {
                preconditionFailure("undo \(record.undo)")
            }
            return try cutNetwork(fault, table: table)
        }
    }

    func signalDaemon(
        _ daemon: String, _ signal: Int32, _ expectation: LoanRules.Expectation
    ) throws(AgentFailure) -> Bool {
        let before = try daemons.status(daemon)
        let process = ProcessIdentity(pid: before.pid, startTicks: before.startTicks)
        guard ProcessTable.signal(process, signal), expectation != .nothing else { return false }
        let bit = ProcessTable.wait(milliseconds: AgentLimits.faultProbeMilliseconds) {
            let entry = ProcessTable.look(process)
            return expectation == .stopped ? entry?.isStopped ?? false : entry?.isZombie ?? true
        }
        _ = try daemons.status(daemon)
        return bit
    }

    func undo(
        _ old: FaultRecord, restarts: Bool, isTimer: Bool = false
    ) throws(AgentFailure) -> FaultRecord {
        var record = old
        do throws(AgentFailure) {
            if let seen = try doUndo(record, restarts: restarts) {
                // What was seen instead of a bite stays there to be told.
                let before = record.bit == false ? record.message.map { "\($0); " } ?? "" : ""
                record.message = before + seen.evidence
                record.unanswered = seen.unanswered.isEmpty ? nil : seen.unanswered
            }
            record.didHeal(at: HostClock.realtimeNanoseconds(), expired: isTimer)
        } catch {
            record.didStick("the undo failed: \(error.message)")
        }
        try root.save(record, path(record.loan.uid))
        if record.state == .healed, !isTimer, let timer = record.timer {
            ProcessTable.signal(timer, SIGKILL)
            // Ours if this agent started it; else PID 1 reaps it.
            if ProcessTable.wait(milliseconds: 1_000, until: { ProcessTable.look(timer)?.isZombie ?? true }) {
                waitpid(timer.pid, nil, WNOHANG)
            }
        }
        return record
    }

    /// - Returns: what was seen of it, where there is more to tell than that it is gone.
    private func doUndo(_ record: FaultRecord, restarts: Bool) throws(AgentFailure) -> (
        evidence: String, unanswered: [NetworkProbe]
    )? {
        switch record.undo {
        case .nothing: return nil
        case .removeTable(let table): return try mendNetwork(record, table: table)
        case .freeDisk(let path):
            try DiskFill(root: root, directory: path, uid: record.loan.uid).free()
            try root.remove(spare(record.loan.uid))
        case .continueDaemon(let name):
            let status = try daemons.status(name)
            guard status.state == .stopped else { return nil }
            let process = ProcessIdentity(pid: status.pid, startTicks: status.startTicks)
            ProcessTable.signal(process, SIGCONT)
            let isOn = ProcessTable.wait(milliseconds: AgentLimits.faultProbeMilliseconds) {
                !(ProcessTable.look(process)?.isStopped ?? false)
            }
            guard isOn else { throw AgentFailure(.timedOut, "daemon '\(name)' stays stopped after SIGCONT") }
        case .startDaemon(let name):
            guard restarts else { return nil }
            let status = try daemons.status(name)
            guard status.state == .exited, status.wanted else { return nil }
            do { _ = try daemons.start(status.spec) } catch  where error.code == .alreadyExists {
                // Somebody else, as the timer or the controller, was quicker.
            }
        }
        return nil
    }
}
