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

    private let store: MessageStore
    private let configuration: Configuration
    private let logger: Logger
    private let state = WaitableMutex(State())
    private let thread = Mutex<StoreThread?>(nil)

    private struct State {
        var master: Master?
        var socket: StreamSocket?
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

    /// Names the master; another one than before is followed from now on, none at all leaves the link as it is.
    public func follow(_ master: Master) {
        state.withLockAndWake { state in
            guard state.master != master else { return }
            // The same place, and more known of it: the link stands, unless there is none.
            if state.master?.address != master.address { state.socket?.shut() }
            state.master = master
        }
    }

    /// Whether a master sends its log here.
    public var isConnected: Bool { state.withLock { $0.socket != nil } }

    /// What the master is known to have and this log has not, in bytes; 0 without a link.
    public var lagBytes: Int64 { max(0, state.withLock { $0.masterEnd } - store.maximumLogOffset) }

    private func run() {
        var lastComplaint = ""
        while true {
            let master = state.wait(until: { $0.isStopped || $0.master != nil }) { $0.isStopped ? nil : $0.master }
            guard let master else { return }
            do {
                try follow(master) { lastComplaint = "" }
            } catch {
                let isStopped = state.withLock { $0.isStopped }
                // Once, not each second.
                if !isStopped, "\(error)" != lastComplaint {
                    lastComplaint = "\(error)"
                    logger.warning(
                        "the link to the master failed, and is tried again",
                        metadata: ["master": "\(master.address)", "error": "\(error)"])
                }
            }
            state.wait(
                atMostMilliseconds: configuration.pauseMilliseconds,
                until: { $0.isStopped || $0.master != master }, { _ in })
        }
    }

    /// Follows a master until the link fails.
    private func follow(_ master: Master, _ whenLinked: () -> Void) throws {
        // What an earlier link handed over must be written: the log's end says what is asked for.
        state.wait(until: { $0.waiting == 0 }, { $0.failure = nil })
        let socket = try StreamSocket.connect(
            to: master.address, timeoutMilliseconds: configuration.connectMilliseconds)
        socket.setTimeout(SO_RCVTIMEO, milliseconds: configuration.heartbeatMilliseconds)
        state.withLock { $0.socket = socket }
        defer {
            state.withLock { $0.socket = nil }
            state.wait(until: { $0.waiting == 0 }, { _ in })
            withExtendedLifetime(socket) {}
        }
        if state.withLock({ $0.isStopped || $0.master?.address != master.address }) { return }
        let end = store.maximumLogOffset
        if end == 0, master.sendsWholeLog { try report(~master.logStart, on: socket) }
        try report(end, on: socket)
        logger.info("following a master", metadata: ["master": "\(master.address)", "from": "\(end)"])
        whenLinked()
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
                try report(store.maximumLogOffset, on: socket)
                continue
            }
            if let failure = state.withLock({ $0.failure }) { throw failure }
            if bytes.readableBytes == 0 { throw LinkError(description: "the master closed the connection") }
            for piece in try stream.feed(bytes) { try write(piece, socket) }
            if let end = stream.position { state.withLock { $0.masterEnd = max($0.masterEnd, end) } }
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
            case .success(let end): try? report(end, on: socket)
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
        try socket.send(buffer)
    }
}

/// Why a link ended.
struct LinkError: Error, CustomStringConvertible {
    var description: String
}
