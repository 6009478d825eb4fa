import Glibc
public import Logging
public import MQStore
import NIOCore
import Synchronization

/// The side of a master: listens for slaves, sends each the log, and knows what they have.
public final class ReplicationMaster: Sendable {
    /// RocketMQ's settings for it.
    public struct Configuration: Sendable {
        public var host = "0.0.0.0"
        /// `haListenPort`; 0 for any.
        public var port = 10912
        /// `haSendHeartbeatInterval`: an idle connection hears so often that it is alive.
        public var heartbeatMilliseconds: Int64 = 5000
        /// `haHousekeepingInterval`: a slave silent for so long is let go.
        public var silenceMilliseconds = 20_000
        /// `haTransferBatchSize`: bytes of the log in one frame at most.
        public var batchBytes = 256 << 10
        /// `haSlaveFallbehindMax`: a slave this far behind counts as none, in bytes.
        public var furthestBehind: Int64 = 256 << 20
        /// Whether those who wait are answered by ``ReplicationMaster/acknowledge(upTo:)`` alone, and not by what one slave
        /// reports.
        public var answersBySet = false

        public init() {}
    }

    /// What became of a wait for a slave.
    public enum Outcome: Sendable, Equatable {
        case copied, timedOut, unavailable
    }

    /// A slave that is connected.
    public struct Slave: Sendable, Equatable {
        /// `host:port` of its end of the connection.
        public var address: String
        /// The end of its log as it last said; `nil` before it did.
        public var reportedOffset: Int64?
        /// Up to where it was sent the log.
        public var sentOffset: Int64
    }

    typealias Waiter = @Sendable (Outcome) -> Void

    private let store: MessageStore
    private let configuration: Configuration
    private let logger: Logger
    private let events: FollowerEvents?
    private let state: Mutex<State>
    private let nextID = Atomic(0)

    private struct State: ~Copyable {
        var acknowledgements: Acknowledgements<Waiter>
        var listener: CInt?
        var accepting: StoreThread?
        var connections: [Int: SlaveConnection] = [:]
        var isStopped = false
        var admission: Admission
        /// The brokers behind the connections, where they said who they are.
        var replicas: [Int: ReplicaID] = [:]
        /// When the foremost slave last had the whole log, on the monotonic clock; 0 before.
        var caughtUpAt: Int64 = 0
    }

    /// Who is sent the log.
    private enum Admission {
        /// Whoever asks.
        case all
        /// Nobody: this broker is not the master of its group now.
        case nobody
        /// Who takes this broker for the master in this epoch, and who knows of no epochs.
        case followers(Epoch)
    }

    /// - Parameter events: told of followers in a group that may change its master; nobody is sent the log then before
    ///   ``serve(in:)``. `nil` where the master is fixed: whoever asks is sent it.
    public init(
        store: MessageStore, configuration: Configuration, logger: Logger, events: FollowerEvents? = nil
    ) {
        self.store = store
        self.configuration = configuration
        self.logger = logger
        self.events = events
        state = Mutex(
            State(
                acknowledgements: Acknowledgements<Waiter>(furthestBehind: configuration.furthestBehind),
                admission: events == nil ? .all : .nobody))
    }

    /// Sends the log to those who follow this broker as the master in this epoch.
    public func serve(in epoch: Epoch) {
        state.withLock { state in
            state.admission = .followers(epoch)
            // Whoever waits before the set has said anything waits for it.
            if configuration.answersBySet { _ = state.acknowledgements.report(0, from: Self.wholeSet) }
        }
    }

    /// Ends all links, sends the log to nobody, and answers all who wait: nobody knows what becomes of what they wrote. Blocks
    /// until the links have ended.
    public func release() {
        let connections = state.withLock { state in
            state.admission = .nobody
            defer { state.connections = [:] }
            return Array(state.connections.values)
        }
        for connection in connections { connection.end() }
        for connection in connections { connection.join() }
        let waiters = state.withLock { $0.acknowledgements.giveUp() }
        for waiter in waiters { waiter(.timedOut) }
    }

    /// Answers those whose records end before an offset, where that is the group's to say: all of whom it demands it have them.
    public func acknowledge(upTo offset: Int64) {
        guard configuration.answersBySet else { return }
        let covered = state.withLock { $0.acknowledgements.report(offset, from: Self.wholeSet) }
        for waiter in covered { waiter(.copied) }
    }

    /// Stands for the in-sync set as a whole among the connections, whose numbers begin with 1.
    private static let wholeSet = 0

    /// Listens; gives the port.
    /// - Throws: `StreamSocket.Failure` when the port is taken.
    @discardableResult
    public func start() throws -> Int {
        let address = try SocketAddress(ipAddress: configuration.host, port: configuration.port)
        let (listener, port) = try StreamSocket.listen(on: address)
        let thread = StoreThread(name: "ha-accept") { [self] in accept(listener) }
        state.withLock { state in
            state.listener = listener
            state.accepting = thread
        }
        return port
    }

    /// Lets all slaves go, and answers all who wait.
    public func stop() {
        let (listener, thread, connections) = state.withLock { state in
            state.isStopped = true
            defer { (state.listener, state.accepting) = (nil, nil) }
            return (state.listener, state.accepting, Array(state.connections.values))
        }
        if let listener { shutdown(listener, CInt(SHUT_RDWR)) }
        thread?.join()
        if let listener { close(listener) }
        for connection in connections { connection.end() }
        for connection in connections { connection.join() }
        let waiters = state.withLock { $0.acknowledgements.giveUp() }
        for waiter in waiters { waiter(.timedOut) }
    }

    /// Calls `done` when a slave has all before `logEnd`, or when nobody can say so: at once where that is known, else
    /// on the thread that hears of it, which must not be blocked.
    ///
    /// - Parameter deadline: on the monotonic clock, in nanoseconds.
    public func awaitCopy(of logEnd: Int64, until deadline: Int64, _ done: @escaping @Sendable (Outcome) -> Void) {
        let outcome = state.withLock { $0.acknowledgements.wait(for: logEnd, until: deadline, done) }
        switch outcome {
        case nil: break
        case .copied: done(.copied)
        case .timedOut: done(.timedOut)
        case .unavailable: done(.unavailable)
        }
    }

    /// Answers those whose time is up; to be called several times a second.
    public func expire(now: Int64) {
        let late = state.withLock { $0.acknowledgements.expire(now: now) }
        for waiter in late { waiter(.timedOut) }
    }

    /// The slaves that are connected.
    public var slaves: [Slave] {
        state.withLock { Array($0.connections.values) }.map(\.status).sorted { $0.address < $1.address }
    }

    /// What the foremost slave still lacks, in bytes; `nil` without a slave.
    public var lagBytes: Int64? {
        state.withLock { $0.acknowledgements.foremost }.map { max(0, store.maximumLogOffset - $0) }
    }

    /// For how long no slave has had the whole log, in milliseconds: 0 while one has; `nil` without a slave.
    public var lagMilliseconds: Int64? {
        guard let lagBytes else { return nil }
        if lagBytes == 0 { return 0 }
        return (MonotonicClock.nanoseconds() - state.withLock { $0.caughtUpAt }) / 1_000_000
    }

    private func accept(_ listener: CInt) {
        while true {
            let descriptor = StreamSocket.accept(on: listener)
            if descriptor < 0 {
                if errno == EINTR || errno == ECONNABORTED { continue }
                if state.withLock({ $0.isStopped }) { return }
                // Out of descriptors or memory: somebody gives one back, or nobody does.
                logger.error("no slave can be accepted", metadata: ["error": "\(String(cString: strerror(errno)))"])
                usleep(100_000)
                continue
            }
            let id = nextID.wrappingAdd(1, ordering: .relaxed).newValue
            let connection = SlaveConnection(
                StreamSocket(descriptor: descriptor), store: store, configuration: configuration, logger: logger,
                objection: { [self] in objection(to: $0) }, reported: { [self] in reported($1, from: id, $0) },
                ended: { [self] in ended(id) })
            let isWanted = state.withLock { state in
                if !state.isStopped { state.connections[id] = connection }
                return !state.isStopped
            }
            if isWanted { connection.start() }
        }
    }

    private func objection(to hello: FollowerHello?) -> String? {
        state.withLock { state in
            switch state.admission {
            case .all: nil
            case .nobody: "this broker is not the master now"
            case .followers(let epoch):
                // RocketMQ's slaves say nothing of epochs. They are sent the log, and count for nothing.
                hello == nil || hello?.epoch == epoch
                    ? nil : "it follows epoch \(hello?.epoch.number ?? 0), and this is \(epoch.number)"
            }
        }
    }

    private func reported(_ offset: Int64, from id: Int, _ replica: Replica?) {
        let hasAll = offset >= store.maximumLogOffset
        let covered = state.withLock { state in
            if hasAll || state.caughtUpAt == 0 { state.caughtUpAt = MonotonicClock.nanoseconds() }
            if let replica { state.replicas[id] = replica.id }
            return configuration.answersBySet ? [] : state.acknowledgements.report(offset, from: id)
        }
        for waiter in covered { waiter(.copied) }
        if let replica { events?.reported(replica, id, offset) }
    }

    private func ended(_ id: Int) {
        let (alone, replica) = state.withLock { state in
            if !state.isStopped { state.connections[id] = nil }
            return (state.acknowledgements.left(id), state.replicas.removeValue(forKey: id))
        }
        for waiter in alone { waiter(.unavailable) }
        if let replica { events?.left(replica, id) }
    }
}
