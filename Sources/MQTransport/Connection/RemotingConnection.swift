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
    /// Our end, `ip:port`.
    public let localAddress: String

    let channel: any Channel
    let limits: ConnectionLimits
    private let outbox: Mutex<Outbox>
    private let requestsInFlight = Atomic(0)
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
        case command(RemotingCommand)
        case call(RemotingCommand, PendingRequests.Entry)
    }

    /// Touched on the event loop only.
    private struct LoopState {
        var pending = PendingRequests()
        var nextSweep: NIODeadline?
        var isReadPaused = false
        var lastRead = NIODeadline.uptimeNanoseconds(0)
    }

    init(channel: any Channel, limits: ConnectionLimits) {
        id = Self.ids.wrappingAdd(1, ordering: .relaxed).newValue
        remoteAddress = channel.remoteAddress?.hostPort ?? ""
        localAddress = channel.localAddress?.hostPort ?? ""
        self.channel = channel
        self.limits = limits
        outbox = Mutex(Outbox())
        loopState = .makeBoxSendingValue(LoopState(), eventLoop: channel.eventLoop)
    }

    /// The loop on which this connection's handlers run.
    public var eventLoop: any EventLoop { channel.eventLoop }

    /// Whether the connection is up; it may end at any moment.
    public var isOpen: Bool { channel.isActive }

    /// Sends a one-way request to the peer; `false` when it certainly was not sent.
    @discardableResult
    public func notify(_ request: RemotingCommand) -> Bool {
        var request = request
        request.isOneWay = true
        request.opaque = nextOpaque()
        return enqueue(.command(request))
    }

    /// Sends a request to the peer and waits for its answer.
    ///
    /// Fails with ``TransportError``: `notSent`, `timedOut` or `connectionLost`. The time starts now.
    public func call(_ request: RemotingCommand, timeout: Duration) -> EventLoopFuture<RemotingCommand> {
        call(request, timeout: timeout, deadline: .now() + TimeAmount(timeout))
    }

    func call(
        _ request: RemotingCommand, timeout: Duration, deadline: NIODeadline
    ) -> EventLoopFuture<RemotingCommand> {
        var request = request
        request.opaque = nextOpaque()
        let promise = eventLoop.makePromise(of: RemotingCommand.self)
        let entry = PendingRequests.Entry(
            request: request.requestCode, timeout: timeout, deadline: deadline, start: .now(), promise: promise)
        if !enqueue(.call(request, entry)) {
            promise.fail(TransportError.notSent(address: remoteAddress, reason: "the connection is closed"))
        }
        return promise.futureResult
    }

    /// Closes the connection; what waits for answers fails as lost.
    public func close() { channel.close(promise: nil) }

    /// Writes what is in the outbox, then closes.
    func closeAfterSweep() -> EventLoopFuture<Void> {
        eventLoop.submit { self.sweep() }.flatMap {
            self.channel.close(promise: nil)
            return self.channel.closeFuture
        }
    }

    // MARK: Answers

    func finish(_ response: RemotingCommand, isOneWay: Bool) {
        requestsInFlight.wrappingSubtract(1, ordering: .relaxed)
        // A paused reader must be woken even when there is nothing to write.
        if isOneWay { enqueueNothing() } else { _ = enqueue(.command(response)) }
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

    private func enqueueNothing() {
        guard requestsInFlight.load(ordering: .relaxed) >= limits.requestsInFlight - 1 else { return }
        eventLoop.execute { self.resumeReading() }
    }

    // MARK: On the event loop

    /// The peer has said something.
    func heard() { loopState.value.lastRead = .now() }

    /// A read has begun: ``sweep()`` follows at its end, nobody else needs to schedule one.
    func readBegan() { outbox.withLock { $0.isSweepPromised = true } }

    /// Counts a request that the peer sent and that ``finish(_:isOneWay:)`` will end.
    func requestBegan() { requestsInFlight.wrappingAdd(1, ordering: .relaxed) }

    /// Writes and flushes everything in the outbox.
    func sweep() {
        eventLoop.preconditionInEventLoop()
        let items = outbox.withLock { outbox in
            outbox.isSweepPromised = false
            let items = outbox.items
            outbox.items = []
            return items
        }
        if !items.isEmpty {
            for item in items { write(item) }
            channel.flush()
        }
        resumeReading()
    }

    private func write(_ item: Item) {
        switch item {
        case .command(let command): channel.write(command, promise: nil)
        case .call(let request, let entry):
            guard channel.isActive else {
                entry.promise.fail(TransportError.notSent(address: remoteAddress, reason: "the connection is closed"))
                return
            }
            guard entry.deadline > .now() else {
                entry.promise.fail(
                    TransportError.notSent(address: remoteAddress, reason: "the time was up before it could be sent"))
                return
            }
            guard loopState.value.pending.count < limits.callsInFlight else {
                entry.promise.fail(
                    TransportError.notSent(
                        address: remoteAddress, reason: "\(limits.callsInFlight) requests wait for an answer already"))
                return
            }
            loopState.value.pending.insert(entry, opaque: request.opaque)
            scheduleExpiry(at: entry.deadline)
            channel.write(request, promise: nil)
        }
    }

    /// One timer for the nearest deadline instead of one per request: cancelling a timer costs a search.
    private func scheduleExpiry(at deadline: NIODeadline) {
        if let next = loopState.value.nextSweep, next <= deadline { return }
        loopState.value.nextSweep = deadline
        eventLoop.scheduleTask(deadline: deadline) { self.expire(scheduledFor: deadline) }
    }

    private func expire(scheduledFor deadline: NIODeadline) {
        var isSilent = false
        for entry in loopState.value.pending.expire(now: .now()) {
            isSilent = isSilent || loopState.value.lastRead < entry.start
            entry.promise.fail(
                TransportError.timedOut(address: remoteAddress, request: entry.request, after: entry.timeout))
        }
        if isSilent, limits.closesSilentConnections { channel.close(promise: nil) }
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
        let mayRead =
            channel.isWritable && requestsInFlight.load(ordering: .relaxed) < limits.requestsInFlight
        if !mayRead { loopState.value.isReadPaused = true }
        return mayRead
    }

    /// Reads on if reading was paused and may go on.
    func resumeReading() {
        guard loopState.value.isReadPaused, channel.isWritable,
            requestsInFlight.load(ordering: .relaxed) < limits.requestsInFlight
        else { return }
        loopState.value.isReadPaused = false
        channel.read()
    }

    /// The connection has ended: what was written is lost, what was not was never sent.
    func ended() {
        let items = outbox.withLock { outbox in
            outbox.isClosed = true
            let items = outbox.items
            outbox.items = []
            return items
        }
        for case .call(_, let entry) in items {
            entry.promise.fail(TransportError.notSent(address: remoteAddress, reason: "the connection is closed"))
        }
        for entry in loopState.value.pending.drain() {
            entry.promise.fail(TransportError.connectionLost(address: remoteAddress, request: entry.request))
        }
    }
}
