public import MQWire
public import NIOCore
import Synchronization

/// One TCP connection, from either end: answers go out through it, requests are pushed or called through it.
///
/// May be used from any thread. What is to be written is collected in an outbox and written on the event loop in one
/// sweep with one flush: at the end of the read that caused it, or in one scheduled task for all that came meanwhile.
public final class RemotingConnection: Sendable {
    /// Unique in this process, never reused.
    public let id: UInt64
    /// The peer, `ip:port`.
    public let remoteAddress: String
    /// The peer as a record stores it; the loopback address where it has no numeric one.
    public let remoteHost: RecordHost
    /// Our end, `ip:port`.
    public let localAddress: String

    let channel: any Channel
    let limits: ConnectionLimits
    private let outbox: Mutex<Outbox>
    /// What the connection holds of its server's budget; `nil` without one.
    let account: ByteAccount?
    private let window: RequestWindow
    private let answers = AnswerGate()
    private let pushes = PushWindow()
    private let opaques = Atomic<Int32>(0)
    private let loopState: NIOLoopBoundBox<LoopState>

    private static let ids = Atomic<UInt64>(0)

    /// What is to be written. `isSweepPromised` means that someone on the event loop will come for it.
    private struct Outbox {
        var items: [Item] = []
        var isSweepPromised = false
        var isClosed = false
    }

    private enum Item {
        // Each with its size in bytes, roughly; 0 for a request that nobody counts.
        case command(RemotingCommand, bytes: Int)
        case answer(RemotingCommand, bytes: Int)
        case call(RemotingCommand, PendingRequests.Entry, bytes: Int)
    }

    /// Touched on the event loop only.
    private struct LoopState {
        var pending = PendingRequests()
        var nextSweep: NIODeadline?
        var isReadPaused = false
        var lastRead = NIODeadline.uptimeNanoseconds(0)
        var drained: EventLoopPromise<Void>?
        var isEnding = false
        /// Handles requests that were read and wait; `false` while some still do.
        var handleWaiting: () -> Bool = { true }
    }

    init(channel: any Channel, limits: ConnectionLimits, account: ByteAccount?) {
        id = Self.ids.wrappingAdd(1, ordering: .relaxed).newValue
        remoteAddress = channel.remoteAddress?.hostPort ?? ""
        remoteHost = channel.remoteAddress.flatMap { RecordHost($0) } ?? .loopback
        localAddress = channel.localAddress?.hostPort ?? ""
        self.channel = channel
        self.limits = limits
        self.account = account
        window = RequestWindow(limit: limits.requestsInFlight)
        outbox = Mutex(Outbox())
        loopState = .makeBoxSendingValue(LoopState(), eventLoop: channel.eventLoop)
    }

    /// The loop on which this connection's handlers run.
    public var eventLoop: any EventLoop { channel.eventLoop }

    /// Whether the connection is up; it may end at any moment.
    public var isOpen: Bool { channel.isActive }

    /// Sends a one-way request to the peer; `false` when it certainly was not sent: the connection is closed, or its
    /// peer does not read, and notices must not pile up for it. A server's count (``PushWindow``); a client's go out as
    /// long as the channel takes them.
    public func notify(_ request: RemotingCommand) -> Bool {
        let bytes = account == nil ? 0 : Self.size(of: request)
        guard bytes > 0 ? beginPush(bytes: bytes) : channel.isWritable else { return false }
        var request = request
        request.isOneWay = true
        request.opaque = nextOpaque()
        guard enqueue(.command(request, bytes: bytes)) else {
            if bytes > 0 { endPushes(count: 1, bytes: bytes) }
            return false
        }
        return true
    }

    /// Sends a request to a peer that did not ask for it and waits for the answer, as a server does.
    ///
    /// As ``call(_:timeout:)``, and `notSent` as well when the peer does not take what was pushed before, or the server's
    /// memory is spoken for.
    public func push(_ request: RemotingCommand, timeout: Duration) -> EventLoopFuture<RemotingCommand> {
        let bytes = Self.size(of: request)
        guard beginPush(bytes: bytes) else {
            return eventLoop.makeFailedFuture(
                TransportError.notSent(address: remoteAddress, reason: "the peer does not read"))
        }
        return call(request, timeout: timeout, deadline: .now() + TimeAmount(timeout), pushedBytes: bytes)
    }

    /// Sends a request to the peer and waits for its answer.
    ///
    /// Fails with ``TransportError``: `notSent`, `timedOut` or `connectionLost`. The time starts now.
    public func call(_ request: RemotingCommand, timeout: Duration) -> EventLoopFuture<RemotingCommand> {
        call(request, timeout: timeout, deadline: .now() + TimeAmount(timeout))
    }

    func call(
        _ request: RemotingCommand, timeout: Duration, deadline: NIODeadline, pushedBytes: Int = 0
    ) -> EventLoopFuture<RemotingCommand> {
        var request = request
        request.opaque = nextOpaque()
        let promise = eventLoop.makePromise(of: RemotingCommand.self)
        let entry = PendingRequests.Entry(
            request: request.requestCode, timeout: timeout, deadline: deadline, start: .now(), promise: promise)
        if !enqueue(.call(request, entry, bytes: pushedBytes)) {
            if pushedBytes > 0 { endPushes(count: 1, bytes: pushedBytes) }
            promise.fail(TransportError.notSent(address: remoteAddress, reason: "the connection is closed"))
        }
        return promise.futureResult
    }

    /// Closes the connection; what waits for answers fails as lost.
    public func close() { channel.close(promise: nil) }

    /// Calls `body` on the event loop once the connection has ended; soon when it has already.
    func whenClosed(_ body: @escaping @Sendable () -> Void) { channel.closeFuture.whenComplete { _ in body() } }

    /// Writes what is in the outbox, then closes.
    func closeAfterSweep() -> EventLoopFuture<Void> {
        eventLoop.submit { self.sweep() }.flatMap {
            self.channel.close(promise: nil)
            return self.channel.closeFuture
        }
    }

    /// How long a peer has to take the last answers and to close its side.
    private static let lingerLimit = TimeAmount.milliseconds(500)

    /// Ends the connection so that no answer is lost.
    ///
    /// 1. What was asked is answered, as long as `patience` lasts; what is asked meanwhile too.
    /// 2. The last answers are written, and then the end of our side: closing at once, with bytes of the peer unread,
    ///    would send a reset that overtakes them.
    /// 3. The peer closes its side, or time is up.
    func drain(patience: TimeAmount) -> EventLoopFuture<Void> {
        eventLoop.flatSubmit { [self] in
            let drained = eventLoop.makePromise(of: Void.self)
            loopState.value.drained = drained
            if window.drain() || !channel.isActive { drained.succeed(()) }
            eventLoop.scheduleTask(in: patience) { drained.succeed(()) }
            return drained.futureResult.flatMap { [self] in
                guard channel.isActive else { return channel.closeFuture }
                sweep()
                loopState.value.isEnding = true
                channel.close(mode: .output, promise: nil)
                resumeReading()
                eventLoop.scheduleTask(in: Self.lingerLimit) { self.channel.close(promise: nil) }
                return channel.closeFuture
            }
        }
    }

    // MARK: Answers

    func finish(_ response: RemotingCommand, isOneWay: Bool, bytes: Int) {
        if !isOneWay {
            let response = Self.fitting(response)
            let answerBytes = Self.size(of: response)
            answers.add(answerBytes)
            account?.change(by: answerBytes, of: id)
            if !enqueue(.answer(response, bytes: answerBytes)) { answered(bytes: answerBytes) }
        }
        let ending = window.end()
        account?.change(by: -bytes, of: id)
        // A paused reader must be woken even when there is nothing to write.
        if ending.mustWakeReader { wakeReader() }
        if ending.isDrained { eventLoop.execute { self.loopState.value.drained?.succeed(()) } }
    }

    /// Goes on, on the event loop, with what was paused and may go on.
    func wakeReader() { eventLoop.execute { self.resumeReading() } }

    /// Does work that makes an answer as soon as the peer has taken enough of those before; see ``AnswerGate``.
    func produce(on worker: any BlockingWorker, _ work: @escaping BlockingWorker.Work) {
        answers.wait(for: worker, work)
        makeAnswers()
    }

    private func makeAnswers() {
        guard mayAnswer else { return }
        answers.start { [weak self] in self?.mayAnswer ?? false }
    }

    /// Whether the peer, and the memory that all peers share, have room for another answer.
    var mayAnswer: Bool { answers.isOpen && account?.mayRead(self) ?? true }

    /// What a frame takes until it is sent: its body, and a guess at the rest.
    private static func size(of command: RemotingCommand) -> Int {
        256 + (command.remark?.utf8.count ?? 0) + (command.body?.readableBytes ?? 0)
    }

    private func beginPush(bytes: Int) -> Bool {
        guard account?.hasRoom(for: bytes) ?? true, pushes.begin(bytes: bytes) else { return false }
        account?.change(by: bytes, of: id)
        return true
    }

    private func endPushes(count: Int, bytes: Int) {
        pushes.end(count: count, bytes: bytes)
        account?.change(by: -bytes, of: id)
    }

    /// The longest body of an answer: no peer reads a longer frame, and the header needs its room too.
    static let longestAnswerBytes = FrameCodec.limitBytes - (64 << 10)

    /// The answer, or a refusal when no peer would read it: a frame that is too long costs the whole connection.
    private static func fitting(_ response: RemotingCommand) -> RemotingCommand {
        guard let bytes = response.body?.readableBytes, bytes > longestAnswerBytes else { return response }
        var refusal = response
        refusal.code = ResponseCode.systemError.rawValue
        refusal.remark = "the answer has \(bytes) bytes, and fits into no frame (at most \(longestAnswerBytes))"
        refusal.extFields = ExtFields()
        refusal.body = nil
        return refusal
    }

    /// Answers are with the kernel, or nobody can have them any more.
    private func answered(bytes: Int) {
        answers.remove(bytes)
        account?.change(by: -bytes, of: id)
    }

    private func nextOpaque() -> Int32 { opaques.wrappingAdd(1, ordering: .relaxed).newValue }

    private func enqueue(_ item: Item) -> Bool {
        let (isAccepted, needsSweep) = outbox.withLock { outbox in
            guard !outbox.isClosed else { return (false, false) }
            outbox.items.append(item)
            defer { outbox.isSweepPromised = true }
            return (true, !outbox.isSweepPromised)
        }
        if needsSweep { eventLoop.execute { self.sweep() } }
        return isAccepted
    }

    // MARK: On the event loop

    /// The peer has said something.
    func heard() { loopState.value.lastRead = .now() }

    /// A read has begun: ``sweep()`` follows at its end, nobody else needs to schedule one.
    func readBegan() { outbox.withLock { $0.isSweepPromised = true } }

    /// Counts a request that the peer sent and that ``finish(_:isOneWay:)`` will end.
    func requestBegan(bytes: Int) {
        window.begin()
        account?.change(by: bytes, of: id)
    }

    /// Whether requests are taken in; not any more once the connection is about to end.
    var takesRequests: Bool { !loopState.value.isEnding }

    /// Writes and flushes everything in the outbox.
    func sweep() {
        eventLoop.preconditionInEventLoop()
        let items = outbox.withLock { outbox in
            outbox.isSweepPromised = false
            let items = outbox.items
            outbox.items = []
            return items
        }
        if !items.isEmpty { write(items) }
        resumeReading()
    }

    /// Gives the bytes back once they are sent.
    private func takenPromise(
        answerBytes: Int, pushes: Int, pushedBytes: Int
    ) -> EventLoopPromise<Void>? {
        guard answerBytes > 0 || pushes > 0 else { return nil }
        let promise = eventLoop.makePromise(of: Void.self)
        promise.futureResult.whenComplete { _ in
            if answerBytes > 0 { self.answered(bytes: answerBytes) }
            if pushes > 0 { self.endPushes(count: pushes, bytes: pushedBytes) }
            // Most answers are sent at once: nothing waits for them then.
            self.resumeReading()
        }
        return promise
    }

    /// Writes all of them one behind the other: small frames share buffers, a large body goes out as it is.
    private func write(_ items: [Item]) {
        var frames = FrameBatch(allocator: channel.allocator, count: items.count)
        var (answerBytes, pushes, pushedBytes) = (0, 0, 0)
        let now = NIODeadline.now()
        for item in items {
            switch item {
            case .command(let command, let bytes):
                if bytes > 0 { (pushes, pushedBytes) = (pushes + 1, pushedBytes + bytes) }
                frames.append(command)
            case .answer(let command, let bytes):
                answerBytes += bytes
                frames.append(command)
            case .call(let request, let entry, let bytes):
                if bytes > 0 { (pushes, pushedBytes) = (pushes + 1, pushedBytes + bytes) }
                if expects(request, entry, now: now) { frames.append(request) }
            }
        }
        // One promise for all of them: they are sent in order.
        let promise = takenPromise(answerBytes: answerBytes, pushes: pushes, pushedBytes: pushedBytes)
        let buffers = frames.finish()
        for buffer in buffers.dropLast() { channel.write(buffer, promise: nil) }
        if let last = buffers.last { channel.write(last, promise: promise) } else { promise?.succeed() }
        channel.flush()
    }

    /// Puts a request among those that wait for their answer; `false` when it fails instead.
    private func expects(_ request: RemotingCommand, _ entry: PendingRequests.Entry, now: NIODeadline) -> Bool {
        guard channel.isActive else {
            entry.promise.fail(TransportError.notSent(address: remoteAddress, reason: "the connection is closed"))
            return false
        }
        guard entry.deadline > now else {
            entry.promise.fail(
                TransportError.notSent(address: remoteAddress, reason: "the time was up before it could be sent"))
            return false
        }
        guard loopState.value.pending.count < limits.callsInFlight else {
            entry.promise.fail(
                TransportError.notSent(
                    address: remoteAddress, reason: "\(limits.callsInFlight) requests wait for an answer already"))
            return false
        }
        loopState.value.pending.insert(entry, opaque: request.opaque)
        scheduleExpiry(at: entry.deadline)
        return true
    }

    /// One timer for the nearest deadline instead of one per request: cancelling a timer costs a search.
    private func scheduleExpiry(at deadline: NIODeadline) {
        if let next = loopState.value.nextSweep, next <= deadline { return }
        loopState.value.nextSweep = deadline
        eventLoop.scheduleTask(deadline: deadline) { self.expire(scheduledFor: deadline) }
    }

    private func expire(scheduledFor deadline: NIODeadline) {
        let expired = loopState.value.pending.expire(now: .now())
        let isSilent = expired.contains { loopState.value.lastRead < $0.start }
        // Before anybody hears of it: who calls again at once must not meet a connection that is about to go.
        if isSilent, limits.closesSilentConnections { channel.close(promise: nil) }
        for entry in expired {
            entry.promise.fail(
                TransportError.timedOut(address: remoteAddress, request: entry.request, after: entry.timeout))
        }
        // An earlier timer may have replaced this one; only the one in force schedules the next.
        guard loopState.value.nextSweep == deadline else { return }
        loopState.value.nextSweep = nil
        if let next = loopState.value.pending.nextDeadline { scheduleExpiry(at: next) }
    }

    /// An answer of the peer; one that nobody waits for any more is dropped.
    func answered(_ response: RemotingCommand) {
        loopState.value.pending.take(opaque: response.opaque)?.promise.succeed(response)
    }

    /// Whether the next read may begin; when not, ``resumeReading()`` makes up for it.
    func mayRead() -> Bool {
        let mayRead = isReadPermitted
        if !mayRead { loopState.value.isReadPaused = true }
        return mayRead
    }

    /// How requests that were read and could not be handled at once are handled; set by the pipeline's end.
    func setWaiting(_ handle: @escaping () -> Bool) { loopState.value.handleWaiting = handle }

    /// Goes on with what was paused and may go on: requests that were read, answers in the making, the next read.
    func resumeReading() {
        guard loopState.value.handleWaiting() else { return }
        makeAnswers()
        guard loopState.value.isReadPaused, channel.isActive, isReadPermitted else { return }
        loopState.value.isReadPaused = false
        channel.read()
    }

    private var isReadPermitted: Bool {
        if loopState.value.isEnding { return true }
        return channel.isWritable && answers.isOpen && window.isOpen && account?.mayRead(self) ?? true
    }

    /// The connection has ended: what was written is lost, what was not was never sent.
    func ended(formingBytes: Int) {
        account?.close(id, formingBytes: formingBytes)
        loopState.value.handleWaiting = { true }
        answers.close()
        loopState.value.drained?.succeed(())
        let items = outbox.withLock { outbox in
            outbox.isClosed = true
            let items = outbox.items
            outbox.items = []
            return items
        }
        for item in items {
            switch item {
            case .command(_, let bytes): if bytes > 0 { endPushes(count: 1, bytes: bytes) }
            case .answer(_, let bytes): answered(bytes: bytes)
            case .call(_, let entry, let bytes):
                if bytes > 0 { endPushes(count: 1, bytes: bytes) }
                entry.promise.fail(TransportError.notSent(address: remoteAddress, reason: "the connection is closed"))
            }
        }
        for entry in loopState.value.pending.drain() {
            entry.promise.fail(TransportError.connectionLost(address: remoteAddress, request: entry.request))
        }
    }
}
