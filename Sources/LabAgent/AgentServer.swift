import Glibc
import Synchronization
public import SystemPackage

/// The agent's side of the channel: reads requests from one descriptor, answers on another, until the channel ends.
///
/// Daemons and fault timers stay when it ends. Quick requests are answered by the reading thread; those that wait
/// for a process have threads of their own, at most ``AgentLimits/concurrentRequests``.
public final class AgentServer: Sendable {
    private let root: AgentRoot
    private let input: CInt
    private let output: CInt
    private let writing = Mutex<Void>(())
    private let running = Mutex<Int>(0)
    /// What went wrong at the start; said in the answer to `hello`.
    private let troubles = Mutex<[String]>([])

    /// A server over descriptors that stay the caller's. The root is made if it is not there.
    public init(root: FilePath, input: CInt = 0, output: CInt = 1) throws(AgentFailure) {
        self.root = try AgentRoot(root)
        self.input = input
        self.output = output
    }

    /// The detached timer of a fault: returns when the loan has healed.
    public static func revertWhenDue(root: FilePath, uid: String) throws(AgentFailure) {
        FaultKeeper(root: try AgentRoot(root)).revertWhenDue(uid)
    }

    /// Serves until the channel ends, breaks, or everything was destroyed.
    public func serve() {
        signal(SIGPIPE, SIG_IGN)
        resumeLoans()
        var decoder = AgentFrameDecoder()
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(input, &piece, piece.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }
            decoder.feed(Array(piece[..<count]))
            do throws(AgentFailure) {
                while let body = try decoder.next() {
                    guard take(body) else { return }
                }
            } catch {
                send(.init(id: 0, response: .failure(error)))
                return
            }
        }
    }

    /// Sees that each loan has its timer. One for which that fails must not keep the agent from serving; it is told in
    /// the log, and to whoever says hello.
    private func resumeLoans() {
        var problems: [String] = []
        do throws(AgentFailure) {
            problems = try FaultKeeper(root: root).resume().map(\.description)
        } catch {
            problems = ["the loans of faults can't be listed: \(error.message)"]
        }
        for problem in problems { AgentLog(root: root).write(problem) }
        troubles.withLock { $0 = problems }
    }

    /// The id alone, readable even where the request is not.
    private struct RequestID: Codable { var id: UInt64 }

    /// Takes one frame; false when the agent is to end.
    private func take(_ body: [UInt8]) -> Bool {
        let envelope: AgentRequestEnvelope
        do throws(AgentFailure) {
            envelope = try AgentFrame.decode(AgentRequestEnvelope.self, from: body)
        } catch {
            guard let request = try? AgentFrame.decode(RequestID.self, from: body), request.id != 0 else {
                send(.init(id: 0, response: .failure(error)))
                return false
            }
            send(.init(id: request.id, response: .failure(error)))
            return true
        }
        switch envelope.request {
        case .daemonStart, .daemonStop, .run, .faultInject, .faultRevert, .faultHealAll, .pathRemove, .fileWrite,
            .networkProbe:
            enter()
            let started = AgentThread.start { [self] in
                send(.init(id: envelope.id, response: answer(envelope.request)))
                running.withLock { $0 -= 1 }
            }
            if !started {
                running.withLock { $0 -= 1 }
                let failure = AgentFailure(.system, "this host can't start another thread for the request")
                send(.init(id: envelope.id, response: .failure(failure)))
            }
        default:
            let response = answer(envelope.request)
            send(.init(id: envelope.id, response: response))
            if case .destroyed = response { return false }
        }
        return true
    }

    /// Waits for a free place among the concurrent requests; the channel's own flow control holds the rest back.
    private func enter() {
        while true {
            let isIn = running.withLock { count in
                guard count < AgentLimits.concurrentRequests else { return false }
                count += 1
                return true
            }
            if isIn { return }
            usleep(1_000)
        }
    }

    private func answer(_ request: AgentRequest) -> AgentResponse {
        do throws(AgentFailure) { return try perform(request) } catch { return .failure(error) }
    }

    private func perform(_ request: AgentRequest) throws(AgentFailure) -> AgentResponse {
        let daemons = DaemonKeeper(root: root)
        let faults = FaultKeeper(root: root)
        switch request {
        case .hello(let protocolVersion, let agentVersion): return .hello(try hello(protocolVersion, agentVersion))
        case .clock:
            return .clock(
                AgentClock(
                    monotonicNanoseconds: HostClock.monotonicNanoseconds(),
                    realtimeNanoseconds: HostClock.realtimeNanoseconds()))
        case .daemonStart(let spec): return .daemon(try daemons.start(spec))
        case .daemonStop(let name, let grace): return .daemon(try daemons.stop(name, graceMilliseconds: grace))
        case .daemonSignal(let name, let signal): return .daemon(try daemons.signal(name, signal))
        case .daemonStatus: return .daemons(try daemons.all())
        case .daemonForget(let name):
            try daemons.forget(name)
            return .done
        case .logRead(let name, let offset, let limit):
            return .chunk(try daemons.readLog(name, offset: offset, limit: limit))
        case .run(let run): return .run(try ProgramRunner(root: root).run(run))
        case .fileWrite(let path, let content, let mode):
            try root.write(path, content.bytes, mode: mode)
            return .done
        case .fileRead(let path, let offset, let limit):
            return .chunk(try root.read(path, offset: offset, limit: limit))
        case .pathRemove(let path):
            try root.remove(path)
            return .done
        case .directoryList(let path): return .entries(try root.list(path))
        case .faultInject(let loan): return .fault(try faults.inject(loan))
        case .faultRevert(let uid): return .fault(try faults.revert(uid))
        case .faultList: return .faults(try faults.all())
        case .faultHealAll: return .faults(try faults.healAll())
        case .networkProbe(let probes, let timeout):
            guard probes.count <= AgentLimits.networkRules,
                (1...AgentLimits.networkProbeMilliseconds).contains(timeout)
            else {
                throw AgentFailure(
                    .badRequest,
                    "\(probes.count) probes in \(timeout) ms: at most \(AgentLimits.networkRules), in 1 to "
                        + "\(AgentLimits.networkProbeMilliseconds) ms")
            }
            return .answers(NetworkProber.wait(for: probes, milliseconds: timeout))
        case .destroy(let grace): return try destroy(daemons, faults, grace)
        }
    }

    private func hello(_ protocolVersion: Int, _ agentVersion: String) throws(AgentFailure) -> AgentHello {
        guard protocolVersion == AgentLimits.protocolVersion else {
            throw AgentFailure(
                .versionMismatch,
                "the controller speaks version \(protocolVersion), this agent \(AgentLimits.protocolVersion); "
                    + "deploy again to send the matching agent")
        }
        let probes = HostProbes(root: root)
        let names = probes.names()
        return AgentHello(
            protocolVersion: AgentLimits.protocolVersion, agentVersion: agentVersion, hostname: names.hostname,
            kernel: names.kernel, pid: getpid(), root: root.path.string, capabilities: probes.capabilities(),
            troubles: troubles.withLock { $0 }, sshPath: ControllerPath.find())
    }

    /// Faults first, so that no timer starts a daemon again; killed daemons stay down.
    private func destroy(
        _ daemons: DaemonKeeper, _ faults: FaultKeeper, _ grace: Int64
    ) throws(AgentFailure) -> AgentResponse {
        let open = try faults.all().records.filter { $0.state != .healed }.map(\.loan.uid)
        let after = try faults.healAll(restarts: false)
        if !after.failures.isEmpty {
            let names = after.failures.map(\.description).joined(separator: "; ")
            throw AgentFailure(.system, "nothing was removed, for not every fault could be healed: \(names)")
        }
        if let stuck = after.records.first(where: { $0.state == .stuck }) {
            throw AgentFailure(
                .system, "fault '\(stuck.loan.uid)' is stuck, so nothing was removed: \(stuck.message ?? "")")
        }
        var stopped: [String] = []
        let deadline = HostClock.monotonicNanoseconds() + grace * 1_000_000
        let alive = try daemons.all().filter { $0.state != .exited }
        for status in alive { _ = try? daemons.signal(status.name, SIGTERM) }
        for status in alive {
            let left = (deadline - HostClock.monotonicNanoseconds()) / 1_000_000
            _ = try daemons.stop(status.name, graceMilliseconds: max(0, left))
            stopped.append(status.name)
        }
        try root.removeAll()
        return .destroyed(daemons: stopped, faults: open)
    }

    private func send(_ envelope: AgentResponseEnvelope) {
        let frame: [UInt8]
        do throws(AgentFailure) { frame = try AgentFrame.encode(envelope) } catch {
            if case .failure = envelope.response { return }
            return send(.init(id: envelope.id, response: .failure(error)))
        }
        writing.withLock { _ in
            var done = 0
            while done < frame.count {
                let count = frame.withUnsafeBytes { write(output, $0.baseAddress! + done, frame.count - done) }
                if count < 0 && errno == EINTR { continue }
                // The controller is gone; the reading thread will see the end, too.
                if count <= 0 { return }
                done += count
            }
        }
    }
}
