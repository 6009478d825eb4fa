import CoreMetrics
import Glibc
public import Logging
import MQMetrics
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
    private let group: any EventLoopGroup
    let logger: Logger
    private let now: @Sendable () -> Int64
    private let serverSecurity: (any ServerSecurity)?
    private let clientSecurity: (any ClientSecurity)?
    /// What the store's files are on.
    private let storage: any StorageIO
    /// Both ports' connections live on it.
    private let budget: ByteBudget
    private let running = Mutex<Running?>(nil)
    /// Who still has to be told, while the broker stops, that what came together was handled: it may have been taken in
    /// right before.
    private let draining = Mutex<RequestDispatcher?>(nil)
    let life = Mutex(Life.settled)
    /// Why a broker that ran could not go on: whoever owns it ends the process.
    public let failures: AsyncStream<any Error>
    let failed: AsyncStream<any Error>.Continuation

    private struct Running: Sendable {
        let context: BrokerContext
        let dispatcher: RequestDispatcher
        let pull: PullProcessor
        let delays: DelaySchedule
        var metricsServer: MetricsServer?
        var servers: [RemotingServer] = []
        var chores: [RepeatedTask] = []
        var registration: Registration?
        var rounds: RegistrationRounds?
        var client: RemotingClient?
        var slaveLink: SlaveLink?
    }

    /// How often held pulls whose time is up are looked for; they are answered at most this late.
    private static let holdTick = TimeAmount.milliseconds(100)
    /// What an answer may still need when the broker stops, beside a flush: scheduling on a busy machine.
    private static let stopMargin = Duration.seconds(1)
    /// How often a slave that has not heard of its master asks the nameservers again.
    private static let masterTick = TimeAmount.milliseconds(500)
    /// How often counts are sampled for rates.
    private static let statsTick = TimeAmount.seconds(10)

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

    @discardableResult
    func begin() async throws -> SocketAddress {
        // What is measured, for whoever reads `/metrics`; nothing is kept without that port.
        let registry = configuration.metricsPort.map { _ in MetricsRegistry() }
        let factory: any MetricsFactory = registry ?? NOOPMetricsHandler.instance
        let lanes = WorkLanes(configuration, metrics: factory, now: MonotonicClock.nanoseconds)
        let metrics = BrokerMetrics(factory)
        let arrivals = ArrivalRelay()
        let client = RemotingClient(
            configuration: .init(security: clientSecurity), group: group, logger: logger)
        do {
            let opened = try await openStore(metrics: metrics, lanes: lanes, client: client, arrivals: arrivals)
            let context: BrokerContext
            do {
                context = try BrokerContext(
                    configuration: configuration, opened, lanes: lanes, metrics: metrics, logger: logger, now: now)
                try await open(context, client, arrivals: arrivals, registry: registry)
            } catch {
                running.withLock { $0 = nil }
                opened.store.close()
                throw error
            }
        } catch {
            await client.shutdown()
            await lanes.stop()
            throw error
        }
        guard let address = mainAddress.withLock({ $0 }) else { throw ChannelError.inappropriateOperationForState }
        return address
    }

    /// Whether the store takes messages.
    var isWritable: Bool { running.withLock { $0?.context.store.isWritable } ?? false }

    private let mainAddress = Mutex<SocketAddress?>(nil)

    /// A topic with queues and without a configuration was made, and saving the table failed: its messages must stay
    /// within reach. The queues of deleted topics the store knows by itself.
    private func restoreTopics(_ context: BrokerContext) {
        var queueCounts: [String: Int32] = [:]
        for key in context.store.queueKeys {
            queueCounts[key.topic] = max(queueCounts[key.topic, default: 0], key.queueID + 1)
        }
        let time = now()
        for (topic, count) in queueCounts {
            guard case .created = context.topics.withLock({ $0.ensure(topic, queues: count, nowMilliseconds: time) })
            else { continue }
            logger.warning(
                "a topic has messages and no configuration; it is made anew",
                metadata: ["topic": "\(topic)", "queues": "\(count)"])
        }
    }

    private func openStore(
        metrics: BrokerMetrics, lanes: WorkLanes, client: RemotingClient, arrivals: ArrivalRelay
    ) async throws -> OpenedStore {
        let opening = StoreOpening(configuration: configuration, lanes: lanes, client: client, logger: logger) {
            [self] cut in
            let log = StoreLog(logger: logger)
            let began = MonotonicClock.nanoseconds()
            let store = try MessageStore(
                configuration: configuration.store, now: now, io: storage, meters: metrics.store, cuttingAt: cut,
                arrivals: { arrivals.relay($0) }, recovering: { log.tell($0) })
            log.tell(store.recovery, tookNanoseconds: MonotonicClock.nanoseconds() - began)
            return store
        }
        return try await opening.run()
    }

    private func open(
        _ context: BrokerContext, _ client: RemotingClient, arrivals: ArrivalRelay, registry: MetricsRegistry?
    ) async throws {
        let delays = try DelaySchedule(context: context)
        let siblings = Siblings(
            configuration: configuration, store: context.store, epochs: context.replication.epochs,
            lanes: context.lanes, client: client, logger: logger)
        let copy = TableCopy(context: context, delays: delays, client: client)
        if !context.replication.isSlave { context.beginReign(known: await siblings.takeBack(copy)) }
        try await serve(context, delays, client, siblings, copy, arrivals: arrivals, registry: registry)
    }

    private func serve(
        _ context: BrokerContext, _ delays: DelaySchedule, _ client: RemotingClient, _ siblings: Siblings,
        _ copy: TableCopy, arrivals: ArrivalRelay, registry: MetricsRegistry?
    ) async throws {
        restoreTopics(context)
        let pull = PullProcessor(context: context)
        let transactions = TransactionProcessor(context: context)
        let days = DayTotals.Box(now: now())
        arrivals.target.withLock { $0 = pull }
        let dispatcher = RequestDispatcher(
            send: SendProcessor(context: context), pull: pull, offsets: OffsetProcessor(context: context),
            clients: ClientProcessor(context: context),
            sendBack: SendBackProcessor(context: context), transactions: transactions,
            reset: ResetProcessor(context: context), replies: ReplyProcessor(context: context),
            others: [
                AdminProcessor(context: context, delays: delays),
                SettingsProcessor(context: context, usesTLS: clientSecurity != nil),
                RuntimeProcessor(context: context, days: days, delays: delays, startedAt: now()),
                InsightProcessor(context: context),
                ProgressProcessor(context: context), ConsumerRelay(context: context),
                MaintenanceProcessor(context: context),
            ])
        running.withLock {
            $0 = Running(context: context, dispatcher: dispatcher, pull: pull, delays: delays)
        }
        // A port of the system's choice stays the same when the broker starts anew.
        let main = server(port: mainAddress.withLock { $0?.port } ?? configuration.listenPort)
        let address = try await main.start()
        let port = address.port ?? configuration.listenPort
        var servers = [main]
        do {
            // With port 0 there is no fixed fast port: clients that want it use two below the main one.
            let fast = server(port: port - 2)
            try await fast.start()
            servers.append(fast)
        } catch {
            // A test's broker on a port of the system's choice does without, when two below is taken.
            if configuration.listenPort != 0 {
                await main.shutdown()
                running.withLock { $0 = nil }
                throw error
            }
        }
        let haPort: Int
        do {
            haPort = try startReplication(context)
            try await openMetrics(context, registry, pull: pull, transactions: transactions)
        } catch {
            context.replication.stop()
            for server in servers { await server.shutdown() }
            running.withLock { $0 = nil }
            throw error
        }
        context.storeHost.withLock { $0 = RecordHost(address: $0.address, port: Int32(port)) }
        let host = HostPort(host: configuration.brokerIP1, port: port).description
        var registration = Registration(
            context: context, client: client, brokerAddress: host,
            haAddress: HostPort(host: configuration.brokerIP2, port: haPort).description)
        if let slave = context.replication.slave {
            let link = SlaveLink(context: context, slave: slave, siblings: siblings, tables: copy) { [weak self] in
                self?.rejoin()
            }
            registration.masterFound = { link.found($0) }
            running.withLock { $0?.slaveLink = link }
        }
        registration.watch = NameserverWatch(client: client, group: group) { [context] in
            context.registrations.withLock { $0 }?.request {}
        }
        let (opened, registrar) = (servers, registration)
        running.withLock { running in
            running?.servers = opened
            running?.client = client
            running?.registration = registrar
            running?.chores = chores(
                context: context, pull: pull, delays: delays, transactions: transactions, days: days)
        }
        let rounds = RegistrationRounds(group: group) { await registrar.registerEverywhere() }
        context.registrations.withLock { $0 = rounds }
        running.withLock { $0?.rounds = rounds }
        rounds.start(period: TimeAmount(configuration.registrationPeriod))
        mainAddress.withLock { $0 = address }
    }

    /// Begins to be followed, or to follow; gives the port that slaves are told.
    private func startReplication(_ context: BrokerContext) throws -> Int {
        do { return try context.replication.start(announcing: configuration.brokerIP2) } catch {
            throw TransportError.bindFailed(
                address: HostPort(host: configuration.bindAddress, port: configuration.haListenPort).description,
                reason: "\(error) (haListenPort names another port)")
        }
    }

    /// Opens the port for Prometheus, if the configuration names one.
    private func openMetrics(
        _ context: BrokerContext, _ registry: MetricsRegistry?, pull: PullProcessor,
        transactions: TransactionProcessor
    ) async throws {
        guard let registry, let port = configuration.metricsPort else { return }
        let gauges = BrokerGauges(
            context, factory: registry, heldPulls: { pull.heldCount }, openTransactions: { transactions.openCount })
        registry.addSampler { gauges.sample() }
        let place = HostPort(host: configuration.bindAddress, port: port)
        do {
            let server = try await MetricsServer(
                registry: registry, host: place.host, port: place.port, group: group)
            metricsAddress.withLock { $0 = server.address }
            running.withLock { $0?.metricsServer = server }
        } catch {
            throw TransportError.bindFailed(
                address: place.description, reason: "\(error) (metricsPort names another port, or 0 for none)")
        }
    }

    private let metricsAddress = Mutex<SocketAddress?>(nil)

    /// Where `/metrics` is answered, `host:port`; `nil` without that port.
    public var metricsHostPort: String? { metricsAddress.withLock { $0?.hostPort } }

    private func server(port: Int) -> RemotingServer {
        RemotingServer(
            configuration: .init(
                host: configuration.bindAddress, port: port, budget: budget, security: serverSecurity), group: group,
            logger: logger, handler: self)
    }

    private func chores(
        context: BrokerContext, pull: PullProcessor, delays: DelaySchedule, transactions: TransactionProcessor,
        days: DayTotals.Box
    ) -> [RepeatedTask] {
        let isChecking = BusyFlag()
        func repeated(_ period: TimeAmount, _ work: @escaping @Sendable () -> Void) -> RepeatedTask {
            group.next().scheduleRepeatedTask(initialDelay: period, delay: period) { _ in work() }
        }
        let expiry = configuration.clientExpiry.components.seconds * 1000
        return [
            repeated(Self.holdTick) {
                pull.expire()
                context.replication.master.expire(now: MonotonicClock.nanoseconds())
                context.store.refuseOverdue()
                context.announceWritability()
                context.tellUpkeep()
            },
            repeated(TimeAmount(configuration.delayTick)) {
                guard !context.replication.isSlave else { return }
                context.lanes.chores.perform { turn in if turn == .work { delays.deliverDue() } }
            },
            repeated(TimeAmount(configuration.offsetSavePeriod)) {
                context.lanes.tables.perform { _ in
                    context.saveTopicsIfUnsaved()
                    context.saveOffsetsAndGroups()
                    context.saveEpochsIfUnsaved()
                    delays.save()
                }
            },
            repeated(TimeAmount(configuration.transactionCheckInterval)) {
                guard !context.replication.isSlave, isChecking.take() else { return }
                context.lanes.chores.perform { turn in
                    if turn == .work { transactions.check() }
                    isChecking.release()
                }
            },
            repeated(TimeAmount(configuration.slaveSyncPeriod)) { [self] in
                guard let link = running.withLock({ $0?.slaveLink }) else { return }
                Task { await link.refresh() }
            },
            repeated(Self.masterTick) { [self] in
                guard let link = running.withLock({ $0?.slaveLink }), !link.knowsMaster else { return }
                context.registrations.withLock { $0 }?.request {}
            },
            repeated(Self.statsTick) {
                context.lanes.chores.perform { _ in
                    let (puts, gets) = context.stats.withLock { stats in
                        stats.sample(now: context.uptime())
                        let cluster = context.configuration.clusterName
                        return (stats[.brokerPutCount, cluster]?.sum ?? 0, stats[.brokerGetCount, cluster]?.sum ?? 0)
                    }
                    days.update(puts: puts, gets: gets, now: context.now())
                }
            },
            repeated(TimeAmount(configuration.clientScanPeriod)) {
                let limit = context.uptime() - expiry
                context.notifyMembers(of: context.clients.withLock { $0.expire(seenBefore: limit) })
            },
        ]
    }

    /// How many pulls wait for a message.
    var heldPulls: Int { running.withLock { $0?.pull.heldCount } ?? 0 }

    /// The broker's threads for blocking work; `nil` while it does not run.
    var lanes: WorkLanes? { running.withLock { $0?.context.lanes } }

    /// Delivers delayed messages; `nil` while the broker does not run.
    var delays: DelaySchedule? { running.withLock { $0?.delays } }

    /// What its processors share; `nil` while the broker does not run.
    var opened: BrokerContext? { running.withLock { $0?.context } }

    /// What the start found in the store; `nil` while the broker does not run.
    public var recovery: RecoveryReport? { running.withLock { $0?.context.store.recovery } }

    func end() async {
        let stopped = running.withLock { running in
            defer { running = nil }
            draining.withLock { $0 = running?.dispatcher }
            return running
        }
        guard let stopped else { return }
        for chore in stopped.chores { chore.cancel() }
        stopped.delays.stop()
        stopped.rounds?.stop()
        stopped.registration?.watch?.stop()
        await stopped.registration?.unregisterEverywhere()
        stopped.pull.stop()
        await stopped.context.lanes.tables.run { stopped.context.replication.stop() }
        let patience = Duration.milliseconds(configuration.syncFlushTimeoutMilliseconds) + Self.stopMargin
        await withDiscardingTaskGroup { group in
            for server in stopped.servers { group.addTask { await server.shutdown(patience: patience) } }
        }
        draining.withLock { $0 = nil }
        await stopped.client?.shutdown()
        await stopped.metricsServer?.shutdown()
        // The event loops are free of this broker now; what follows blocks a thread of the disk's.
        await stopped.context.lanes.tables.run { [logger] in
            stopped.context.saveTopics()
            stopped.context.saveOffsetsAndGroups()
            stopped.delays.save()
            StoreLog(logger: logger).tellClosed(isClean: stopped.context.store.close())
        }
        await stopped.context.lanes.stop()
    }

    // MARK: RemotingRequestHandler

    /// Hands the request to its processor, on the connection's event loop.
    public func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
        guard let dispatcher = running.withLock({ $0?.dispatcher }) else {
            return reply.send(.serviceNotAvailable, remark: "the broker is starting or stopping")
        }
        dispatcher.handle(request, on: connection, reply: reply)
    }

    /// Has the log's writer begin with all that came together.
    public func requestsHandled() {
        (running.withLock { $0?.dispatcher } ?? draining.withLock { $0 })?.requestsHandled()
    }

    /// Forgets the connection's held pulls and group memberships.
    public func connectionClosed(_ connection: RemotingConnection) {
        guard let running = running.withLock({ $0 }) else { return }
        running.pull.connectionClosed(connection.id)
        running.context.connections.withLock { $0[connection.id] = nil }
        running.context.notifyMembers(of: running.context.clients.withLock { $0.connectionClosed(connection.id) })
    }
}

/// Carries arrivals to the pull processor, which is made after the store.
private final class ArrivalRelay: Sendable {
    let target = Mutex<PullProcessor?>(nil)

    func relay(_ arrivals: [QueueArrival]) { target.withLock { $0 }?.arrived(arrivals) }
}

/// Keeps a chore that takes longer than its period from running twice at once.
private final class BusyFlag: Sendable {
    private let isTaken = Atomic(false)

    func take() -> Bool { !isTaken.exchange(true, ordering: .acquiringAndReleasing) }
    func release() { isTaken.store(false, ordering: .releasing) }
}
