import Glibc

/// Runs one program to its end for a `run` request.
struct ProgramRunner {
    let root: AgentRoot

    /// Feeds stdin, reads both outputs up to the limit, kills the whole session when the time runs out.
    func run(_ request: RunRequest) throws(AgentFailure) -> RunResult {
        guard let program = request.arguments.first, !program.isEmpty else {
            throw AgentFailure(.badRequest, "a run without a program")
        }
        guard (0...AgentLimits.runOutputBytes).contains(request.outputLimit), request.timeoutMilliseconds > 0 else {
            throw AgentFailure(
                .badRequest,
                "'\(program)': output limit \(request.outputLimit) (at most \(AgentLimits.runOutputBytes)), "
                    + "time \(request.timeoutMilliseconds) ms (more than 0)")
        }
        let directory = try root.absolute(request.workingDirectory ?? "")
        let input = try ProcessSpawner.pipe()
        let output = try ProcessSpawner.pipe()
        let errors = try ProcessSpawner.pipe()
        let pid: pid_t
        do {
            pid = try ProcessSpawner.spawn(
                try DaemonKeeper.executable(program, root), Array(request.arguments.dropFirst()),
                environment: ProcessSpawner.ownEnvironment().merging(request.environment) { $1 },
                workingDirectory: directory, descriptors: [input.read, output.write, errors.write])
        } catch {
            for end in [input.read, input.write, output.read, output.write, errors.read, errors.write] { close(end) }
            throw error
        }
        for end in [input.read, output.write, errors.write] { close(end) }
        var exchange = PipeExchange(
            input: input.write, output: output.read, errors: errors.read, bytes: request.standardInput.bytes,
            limit: request.outputLimit)
        let deadline = HostClock.monotonicNanoseconds() + request.timeoutMilliseconds * 1_000_000
        var timedOut = false
        while exchange.isOpen {
            let left = (deadline - HostClock.monotonicNanoseconds()) / 1_000_000
            guard left > 0 else {
                timedOut = true
                break
            }
            exchange.step(milliseconds: CInt(clamping: min(left, 1_000)))
        }
        var status: CInt = 0
        if !timedOut {
            // Both outputs are closed; the program itself may still run.
            timedOut = !ProcessTable.wait(
                milliseconds: max(1, (deadline - HostClock.monotonicNanoseconds()) / 1_000_000)
            ) { waitpid(pid, &status, WNOHANG) == pid }
        }
        if timedOut {
            kill(-pid, SIGKILL)
            kill(pid, SIGKILL)
            while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        }
        exchange.close()
        let ending = WaitStatus(status)
        return RunResult(
            exitCode: ending.exitCode, signal: ending.signal, timedOut: timedOut,
            standardOutput: AgentBytes(exchange.collected[0]), standardError: AgentBytes(exchange.collected[1]),
            truncated: exchange.isTruncated)
    }
}

/// The status that `waitpid` gives, taken apart (wait(2)).
struct WaitStatus: Sendable, Equatable {
    /// The exit status of a normal end.
    let exitCode: Int32?
    /// The signal that ended it.
    let signal: Int32?

    init(_ status: CInt) {
        let low = status & 0x7F
        exitCode = low == 0 ? (status >> 8) & 0xFF : nil
        signal = low == 0 ? nil : low
    }
}

/// The three pipes of a running program, served with `poll`.
private struct PipeExchange {
    private var input: CInt
    private var outputs: [CInt]
    private var pending: ArraySlice<UInt8>
    private let limit: Int
    private(set) var collected: [[UInt8]] = [[], []]
    private(set) var isTruncated = false

    init(input: CInt, output: CInt, errors: CInt, bytes: [UInt8], limit: Int) {
        self.input = input
        outputs = [output, errors]
        pending = bytes[...]
        self.limit = limit
        for end in [input, output, errors] { _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK) }
        if pending.isEmpty { closeInput() }
    }

    var isOpen: Bool { outputs.contains { $0 >= 0 } }

    mutating func step(milliseconds: CInt) {
        var waiting = [
            pollfd(fd: input, events: Int16(POLLOUT), revents: 0),
            pollfd(fd: outputs[0], events: Int16(POLLIN), revents: 0),
            pollfd(fd: outputs[1], events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&waiting, 3, milliseconds) > 0 else { return }
        if waiting[0].revents != 0 { feed() }
        for index in 0..<2 where waiting[index + 1].revents != 0 { drain(index) }
    }

    mutating func close() {
        closeInput()
        for index in 0..<2 where outputs[index] >= 0 {
            Glibc.close(outputs[index])
            outputs[index] = -1
        }
    }

    private mutating func closeInput() {
        if input >= 0 { Glibc.close(input) }
        input = -1
    }

    private mutating func feed() {
        let count = pending.withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
        if count > 0 { pending.removeFirst(count) }
        // A program that does not read its input is no error.
        if pending.isEmpty || (count < 0 && errno != EAGAIN && errno != EINTR) { closeInput() }
    }

    private mutating func drain(_ index: Int) {
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(outputs[index], &piece, piece.count)
        if count > 0 {
            let room = limit - collected[index].count
            collected[index].append(contentsOf: piece[..<min(count, max(0, room))])
            if count > room { isTruncated = true }
        } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
            Glibc.close(outputs[index])
            outputs[index] = -1
        }
    }
}
