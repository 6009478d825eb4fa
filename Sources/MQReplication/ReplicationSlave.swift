import Glibc
public import Logging
public import MQStore
public import NIOCore
import Synchronization

/// The side of a slave: follows a master's log, and reports what it has of it.
///
/// One thread receives; the store's writer appends and reports. A link that fails is made anew after a pause, for as
/// long as the slave runs.
public final class ReplicationSlave: Sendable {
    /// RocketMQ's settings for it.
    public struct Configuration: Sendable {
        /// How often an idle link reports (`haSendHeartbeatInterval`).
        public var heartbeatMilliseconds = 5000
        /// A master silent for so long is left, and looked for again (`haHousekeepingInterval`).
        public var silenceMilliseconds = 20_000
        /// Between two attempts.
        public var pauseMilliseconds: Int64 = 1000
        /// How long connecting may take.
        public var connectMilliseconds = 5000
        /// What may wait for the store's writer, in bytes; the master is not read from meanwhile.
        public var waitingBytes = 16 << 20
        /// Whether only what is on this disk is reported: see ``ReplicationSlave/reportFlushed()``.
        public var reportsFlushed = false

        public init() {}
    }

    /// A master to follow.
    public struct Master: Sendable, Equatable {
        /// Where it sends its log.
        public var address: SocketAddress
        /// Whether it sends a log from anywhere, as a master of ours does; RocketMQ's begins an empty slave at its last
        /// segment.
        public var sendsWholeLog: Bool
        /// The first offset of its log; of meaning where it sends the whole.
        public var logStart: Int64

        public init(address: SocketAddress, sendsWholeLog: Bool = false, logStart: Int64 = 0) {
            self.address = address
            self.sendsWholeLog = sendsWholeLog
            self.logStart = logStart
        }
    }

    /// Whether a master that has just been connected to may be followed, and from where.
    public enum Admission: Sendable, Equatable {
        /// It sends its log on from this one's end, to an empty store from here on; `nil` for RocketMQ's, whose last segment an
        /// empty store begins with.
        case follow(logStart: Int64?)
        /// It is not followed now; it is asked again after a pause.
        case refused(String)
    }

    /// Decides on a master, by what it says after the connection to it was made: what it said before may be another process's
    /// word, and another epoch's. Answers once, on any thread.
    public typealias Admit = @Sendable (@escaping @Sendable (Admission) -> Void) -> Void

    /// How a slave follows in a group that may change its master: by one link, in one epoch.
    public struct Following: Sendable {
        /// What it says of itself.
        public var replica: Replica
        /// The epoch in which the other end is to be the master.
        public var epoch: Epoch
        /// Called once when the link has ended or did not come about, and all that came by it is written; not after
        /// ``ReplicationSlave/leave()``.
        public var ended: @Sendable () -> Void

        public init(replica: Replica, epoch: Epoch, ended: @escaping @Sendable () -> Void) {
            self.replica = replica
            self.epoch = epoch
            self.ended = ended
        }
    }

    private let store: MessageStore
    private let configuration: Configuration
    private let logger: Logger
    private let state = WaitableMutex(State())
    private let lastReport = Atomic<Int64>(-1)
    private let thread = Mutex<StoreThread?>(nil)

    private struct State {
        var master: Master?
        var admit: Admit?
        /// There for one link alone.
        var following: Following?
        /// Counts the masters that were named.
        var target = 0
        /// The link for which an answer is awaited, and the answer.
        var asked = 0
        var admission: Admission?
        var socket: StreamSocket?
        /// Whether the master of the link was admitted.
        var isFollowing = false
        var isStopped = false
        /// Bytes handed to the writer and not answered yet.
        var waiting = 0
        var failure: StoreError?
        /// The master's log ends here at least.
        var masterEnd: Int64 = 0
        var lastHeard: Int64 = 0
    }

    public init(store: MessageStore, configuration: Configuration = Configuration(), logger: Logger) {
        self.store = store
        self.configuration = configuration
        self.logger = logger
    }

    /// Begins to follow, once there is a master.
    public func start() {
        let started = StoreThread(name: "ha-slave") { [self] in run() }
        thread.withLock { $0 = started }
    }

    /// Ends the link; what was received is written.
    public func stop() {
        state.withLockAndWake { state in
            state.isStopped = true
            state.socket?.shut()
        }
        thread.withLock { $0 }?.join()
    }

    /// Names the master; another one than before is followed from now on.
    ///
    /// - Parameter admit: asked for each link before anything is sent over it; without it every master is followed.
    public func follow(_ master: Master, admit: Admit? = nil) {
        state.withLockAndWake { state in
            (state.admit, state.following) = (admit, nil)
            guard state.master != master else { return }
            state.target += 1
            // The same place, and more known of it: the link stands, unless there is none.
            if state.master?.address != master.address { state.socket?.shut() }
            state.master = master
        }
    }

    /// Follows a master by one link, and by no other after it.
    public func follow(_ master: Master, _ following: Following) {
        state.withLockAndWake { state in
            (state.admit, state.following) = (nil, following)
            state.socket?.shut()
            state.target += 1
            state.master = master
        }
    }

    /// Ends the link, if there is one; blocks until all that came by it is written.
    public func leave() {
        state.withLockAndWake { state in
            (state.master, state.following) = (nil, nil)
            state.target += 1
            state.socket?.shut()
        }
        state.wait(until: { $0.socket == nil && $0.waiting == 0 }, { _ in })
    }

    /// Tells the master what is on this disk, where that is what counts and is news; to be called when more is.
    public func reportFlushed() {
        guard configuration.reportsFlushed, let socket = state.withLock({ $0.isFollowing ? $0.socket : nil }) else {
            return
        }
        let end = store.flushedLogOffset
        guard lastReport.load(ordering: .relaxed) < end else { return }
        // What cannot be sent is noticed by the thread that receives.
        try? report(end, on: socket)
    }

    /// Whether a master sends its log here.
    public var isConnected: Bool { state.withLock { $0.isFollowing } }

    /// What the master is known to have and this log has not, in bytes; 0 without a link.
    public var lagBytes: Int64 { max(0, state.withLock { $0.masterEnd } - store.maximumLogOffset) }

    private func run() {
        var lastComplaint = ""
        while true {
            let (master, following, target) = state.wait(until: { $0.isStopped || $0.master != nil }) {
                ($0.isStopped ? nil : $0.master, $0.following, $0.target)
            }
            guard let master else { return }
            do {
                try follow(master, following, target) { lastComplaint = "" }
            } catch {
                let isStopped = state.withLock { $0.isStopped || $0.target != target }
                // Once, not each second.
                if !isStopped, "\(error)" != lastComplaint {
                    lastComplaint = "\(error)"
                    logger.warning(
                        following == nil
                            ? "the link to the master failed, and is tried again" : "the link to the master ended",
                        metadata: ["master": "\(master.address)", "error": "\(error)"])
                }
            }
            if let following {
                let isWanted = state.withLock { state in
                    guard state.target == target else { return false }
                    (state.master, state.following) = (nil, nil)
                    return !state.isStopped
                }
                if isWanted { following.ended() }
                continue
            }
            state.wait(
                atMostMilliseconds: configuration.pauseMilliseconds,
                until: { $0.isStopped || $0.master != master }, { _ in })
        }
    }

    /// Follows a master until the link fails.
    private func follow(_ master: Master, _ following: Following?, _ target: Int, _ whenLinked: () -> Void) throws {
        // What an earlier link handed over must be written: the log's end says what is asked for.
        state.wait(until: { $0.waiting == 0 }, { $0.failure = nil })
        let socket = try StreamSocket.connect(
            to: master.address, timeoutMilliseconds: configuration.connectMilliseconds)
        socket.setTimeout(SO_RCVTIMEO, milliseconds: configuration.heartbeatMilliseconds)
        let isWanted = state.withLock { state in
            let isWanted =
                !state.isStopped && state.master?.address == master.address
                && (following == nil || state.target == target)
            if isWanted { state.socket = socket }
            return isWanted
        }
        guard isWanted else { return }
        defer {
            state.withLockAndWake { ($0.socket, $0.isFollowing) = (nil, false) }
            state.wait(until: { $0.waiting == 0 }, { _ in })
            withExtendedLifetime(socket) {}
        }
        guard let logStart = try admitted(master) else { return }
        let end = store.maximumLogOffset
        if let following {
            let start = end == 0 ? logStart.value ?? 0 : end
            try socket.send(
                FollowerHello(replica: following.replica, epoch: following.epoch, start: start).encoded())
        } else if end == 0, let logStart = logStart.value {
            try report(~logStart, on: socket)
        }
        try report(reportable, on: socket)
        logger.info("following a master", metadata: ["master": "\(master.address)", "from": "\(end)"])
        whenLinked()
        state.withLock { $0.isFollowing = true }
        reportFlushed()
        try receive(from: socket, end: end)
    }

    /// Takes the log until the link fails.
    private func receive(from socket: StreamSocket, end: Int64) throws {
        var stream = ReplicaStream(position: end == 0 ? nil : end)
        var silence = 0
        while true {
            let bytes: ByteBuffer
            do throws(StreamSocket.Failure) {
                bytes = try socket.receive(atMost: 256 << 10)
                silence = 0
            } catch {
                guard error.code == EAGAIN else { throw error }
                silence += configuration.heartbeatMilliseconds
                guard silence < configuration.silenceMilliseconds else {
                    throw LinkError(description: "the master said nothing for \(silence) ms")
                }
                try report(reportable, on: socket)
                continue
            }
            if let failure = state.withLock({ $0.failure }) { throw failure }
            if bytes.readableBytes == 0 { throw LinkError(description: "the master closed the connection") }
            for piece in try stream.feed(bytes) { try write(piece, socket) }
            if let end = stream.position { state.withLock { $0.masterEnd = max($0.masterEnd, end) } }
        }
    }

    /// What is said to be had.
    private var reportable: Int64 { configuration.reportsFlushed ? store.flushedLogOffset : store.maximumLogOffset }

    /// Where an empty store begins.
    private struct LogStart { var value: Int64? }

    /// Asks whether the master of the new link may be followed; `nil` when nobody wants to know any more.
    private func admitted(_ master: Master) throws -> LogStart? {
        let (admit, link) = state.withLock { state in
            state.asked += 1
            state.admission = nil
            return (state.admit, state.asked)
        }
        guard let admit else { return LogStart(value: master.sendsWholeLog ? master.logStart : nil) }
        admit { [state] admission in
            state.withLockAndWake { if $0.asked == link, $0.admission == nil { $0.admission = admission } }
        }
        let admission = state.wait(
            until: { $0.admission != nil || $0.isStopped || $0.master?.address != master.address }, { $0.admission })
        switch admission {
        case nil: return nil
        case .refused(let reason): throw LinkError(description: "it is not followed: \(reason)")
        case .follow(let logStart): return LogStart(value: logStart)
        }
    }

    /// Hands a piece to the writer; waits while too much waits there.
    private func write(_ piece: ReplicaStream.Piece, _ socket: StreamSocket) throws {
        let size = piece.bytes.readableBytes
        let failure: StoreError? = state.wait(
            until: { $0.waiting < configuration.waitingBytes || $0.failure != nil || $0.isStopped }
        ) { state in
            if state.failure == nil { state.waiting += size }
            return state.failure
        }
        if let failure { throw failure }
        store.appendReplica(piece.bytes, at: piece.logOffset) { [self] result in
            switch result {
            case .success(let end): if !configuration.reportsFlushed { try? report(end, on: socket) }
            case .failure(let error):
                socket.shut()
                state.withLock { if $0.failure == nil { $0.failure = error } }
            }
            state.withLockAndWake { $0.waiting -= size }
        }
    }

    private func report(_ offset: Int64, on socket: StreamSocket) throws(StreamSocket.Failure) {
        var buffer = ByteBuffer()
        buffer.writeInteger(offset)
        lastReport.store(offset, ordering: .relaxed)
        try socket.send(buffer)
    }
}

/// Why a link ended.
struct LinkError: Error, CustomStringConvertible {
    var description: String
}
