import Glibc
public import Logging
import MQReplication
public import MQStore
public import MQTransport
public import MQWire
public import NIOCore
import NIOPosix
import Synchronization

/// A running broker: the shell that owns the ports, the store, the clocks and the chores.
public final class BrokerService: RemotingRequestHandler {
    /// The broker's settings.
    public let configuration: BrokerConfiguration
    let group: any EventLoopGroup
    let logger: Logger
    let now: @Sendable () -> Int64
    let serverSecurity: (any ServerSecurity)?
    let clientSecurity: (any ClientSecurity)?
    /// What the store's files are on.
    let storage: any StorageIO
    /// Both ports' connections live on it.
    let budget: ByteBudget
    let course = Mutex(Course())
    let mainAddress = Mutex<SocketAddress?>(nil)
    let metricsAddress = Mutex<SocketAddress?>(nil)
    /// Why a broker that ran could not go on: whoever owns it ends the process.
    public let failures: AsyncStream<any Error>
    let failed: AsyncStream<any Error>.Continuation

    /// A broker that does not listen yet; `now` is the wall clock in milliseconds since 1970.
    public convenience init(
        configuration: BrokerConfiguration, group: any EventLoopGroup, logger: Logger,
        serverSecurity: (any ServerSecurity)? = nil, clientSecurity: (any ClientSecurity)? = nil,
        now: @escaping @Sendable () -> Int64 = BrokerService.wallClock
    ) {
        self.init(
            configuration: configuration, group: group, logger: logger, serverSecurity: serverSecurity,
            clientSecurity: clientSecurity, now: now, storage: SystemStorage())
    }

    /// The same on a disk of the caller's.
    package init(
        configuration: BrokerConfiguration, group: any EventLoopGroup, logger: Logger,
        serverSecurity: (any ServerSecurity)? = nil, clientSecurity: (any ClientSecurity)? = nil,
        now: @escaping @Sendable () -> Int64 = BrokerService.wallClock, storage: any StorageIO
    ) {
        self.storage = storage
        self.serverSecurity = serverSecurity
        self.clientSecurity = clientSecurity
        self.configuration = configuration
        budget = ByteBudget(limitBytes: configuration.connectionBufferBytes)
        (failures, failed) = AsyncStream.makeStream(of: (any Error).self, bufferingPolicy: .bufferingNewest(1))
        self.group = group
        self.logger = logger
        self.now = now
    }

    /// The system's clock, milliseconds since 1970.
    public static let wallClock: @Sendable () -> Int64 = {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// Where `/metrics` is answered, `host:port`; `nil` without that port.
    public var metricsHostPort: String? { metricsAddress.withLock { $0?.hostPort } }

    /// What serves; `nil` while nothing does.
    var running: Running? { course.withLock { $0.life.running } }

    /// Whether the store takes messages.
    var isWritable: Bool { running?.context.store.isWritable ?? false }

    /// How many pulls wait for a message.
    var heldPulls: Int { running?.pull.heldCount ?? 0 }

    /// The broker's threads for blocking work; `nil` while it does not run.
    var lanes: WorkLanes? { running?.context.lanes }

    /// Delivers delayed messages; `nil` while the broker does not run.
    var delays: DelaySchedule? { running?.delays }

    /// What its processors share; `nil` while the broker does not run.
    var opened: BrokerContext? { running?.context }

    /// What the start found in the store; `nil` while the broker does not run.
    public var recovery: RecoveryReport? { running?.context.store.recovery }

    // MARK: RemotingRequestHandler

    /// Hands the request to its processor, on the connection's event loop.
    public func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
        guard let running else {
            return reply.send(.serviceNotAvailable, remark: "the broker is starting or stopping")
        }
        running.dispatcher.handle(request, on: connection, reply: reply)
    }

    /// Has the log's writer begin with all that came together.
    public func requestsHandled() { course.withLock { $0.life.dispatcher }?.requestsHandled() }

    /// Forgets the connection's held pulls and group memberships.
    public func connectionClosed(_ connection: RemotingConnection) {
        guard let running else { return }
        running.pull.connectionClosed(connection.id)
        running.context.connections.withLock { $0[connection.id] = nil }
        running.context.notifyMembers(of: running.context.clients.withLock { $0.connectionClosed(connection.id) })
    }
}
