import CoreMetrics
import Logging
import MQMetrics
import MQReplication
import MQStore
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization

/// From a closed store to open ports.
extension BrokerService {
    @discardableResult
    func begin(cut: Int64?) async throws -> SocketAddress {
        course.withLock { $0.life = .starting(nil) }
        do { return try await open(cut: cut) } catch {
            course.withLock { $0.life = .idle }
            throw error
        }
    }

    private func open(cut: Int64?) async throws -> SocketAddress {
        // What is measured, for whoever reads `/metrics`; nothing is kept without that port.
        let registry = configuration.metricsPort.map { _ in MetricsRegistry() }
        let factory: any MetricsFactory = registry ?? NOOPMetricsHandler.instance
        let lanes = WorkLanes(configuration, metrics: factory, now: MonotonicClock.nanoseconds)
        let metrics = BrokerMetrics(factory)
        let arrivals = ArrivalRelay()
        let client = RemotingClient(
            configuration: .init(security: clientSecurity), group: group, logger: logger)
        do {
            let opened = try await openStore(
                cut: cut, metrics: metrics, lanes: lanes, client: client, arrivals: arrivals)
            do {
                let context = try BrokerContext(
                    configuration: configuration, opened, lanes: lanes, metrics: metrics, logger: logger, now: now)
                return try await open(context, client, arrivals: arrivals, registry: registry)
            } catch {
                course.withLock { $0.life = .starting(nil) }
                opened.store.close()
                throw error
            }
        } catch {
            await client.shutdown()
            await lanes.stop()
            throw error
        }
    }

    private func openStore(
        cut: Int64?, metrics: BrokerMetrics, lanes: WorkLanes, client: RemotingClient, arrivals: ArrivalRelay
    ) async throws -> OpenedStore {
        let opening = StoreOpening(
            configuration: configuration, lanes: lanes, client: client, logger: logger, cut: cut,
            wasCleanStop: try !storage.exists(configuration.store.abortMarker)
        ) { [self] cut in
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
    ) async throws -> SocketAddress {
        let delays = try DelaySchedule(context: context)
        let siblings = Siblings(
            configuration: configuration, store: context.store, epochs: context.replication.epochs,
            lanes: context.lanes, client: client, logger: logger)
        let copy = TableCopy(context: context, delays: delays, client: client)
        if context.replication.member == nil, !context.replication.isSlave {
            context.beginReign(known: await siblings.takeBack(copy))
        }
        context.restoreTopics()
        let pull = PullProcessor(context: context)
        let transactions = TransactionProcessor(context: context)
        let days = DayTotals.Box(now: now())
        arrivals.target.withLock { $0 = pull }
        let dispatcher = dispatcher(context, pull: pull, delays: delays, transactions: transactions, days: days)
        let running = Running(context, dispatcher, pull, delays)
        running.parts.withLock { $0.client = client }
        course.withLock { $0.life = .starting(running) }
        let (address, haPort) = try await listen(running, registry, transactions: transactions)
        let port = address.port ?? configuration.listenPort
        context.storeHost.withLock { $0 = RecordHost(address: $0.address, port: Int32(port)) }
        let registration = register(
            running, host: HostPort(host: configuration.brokerIP1, port: port).description,
            haHost: HostPort(host: configuration.brokerIP2, port: haPort).description, siblings: siblings, copy: copy)
        let rounds = RegistrationRounds(group: group) { await registration.registerEverywhere() }
        context.registrations.withLock { $0 = rounds }
        let chores = chores(running, transactions: transactions, days: days, siblings: siblings)
        running.parts.withLock { ($0.registration, $0.rounds, $0.chores) = (registration, rounds, chores) }
        rounds.start(period: TimeAmount(configuration.registrationPeriod))
        mainAddress.withLock { $0 = address }
        course.withLock { $0.life = .running(running) }
        joinGroup(context, client, siblings: siblings, copy: copy)
        return address
    }

    private func dispatcher(
        _ context: BrokerContext, pull: PullProcessor, delays: DelaySchedule, transactions: TransactionProcessor,
        days: DayTotals.Box
    ) -> RequestDispatcher {
        RequestDispatcher(
            send: SendProcessor(context: context), pull: pull, offsets: OffsetProcessor(context: context),
            clients: ClientProcessor(context: context),
            sendBack: SendBackProcessor(context: context), transactions: transactions,
            reset: ResetProcessor(context: context), replies: ReplyProcessor(context: context),
            others: [
                AdminProcessor(context: context, delays: delays), GroupProcessor(context: context),
                SettingsProcessor(context: context, usesTLS: clientSecurity != nil),
                RuntimeProcessor(context: context, days: days, delays: delays, startedAt: now()),
                InsightProcessor(context: context),
                ProgressProcessor(context: context), ConsumerRelay(context: context),
                MaintenanceProcessor(context: context),
            ])
    }

    /// Opens all ports; gives the main one's address, and the port for slaves.
    private func listen(
        _ running: Running, _ registry: MetricsRegistry?, transactions: TransactionProcessor
    ) async throws -> (main: SocketAddress, haPort: Int) {
        // A port of the system's choice stays the same when the broker starts anew.
        let main = server(port: mainAddress.withLock { $0?.port } ?? configuration.listenPort)
        let address = try await main.start()
        var servers = [main]
        do {
            do {
                // With port 0 there is no fixed fast port: clients that want it use two below the main one.
                let fast = server(port: (address.port ?? configuration.listenPort) - 2)
                try await fast.start()
                servers.append(fast)
            } catch {
                // A test's broker on a port of the system's choice does without, when two below is taken.
                if configuration.listenPort != 0 { throw error }
            }
            let haPort = try startReplication(running.context)
            try await openMetrics(running, registry, transactions: transactions)
            running.parts.withLock { [servers] in $0.servers = servers }
            return (address, haPort)
        } catch {
            running.context.replication.stop()
            for server in servers { await server.shutdown() }
            throw error
        }
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
        _ running: Running, _ registry: MetricsRegistry?, transactions: TransactionProcessor
    ) async throws {
        guard let registry, let port = configuration.metricsPort else { return }
        let gauges = BrokerGauges(
            running.context, factory: registry, heldPulls: { [pull = running.pull] in pull.heldCount },
            openTransactions: { transactions.openCount })
        registry.addSampler { gauges.sample() }
        let place = HostPort(host: configuration.bindAddress, port: port)
        do {
            let server = try await MetricsServer(
                registry: registry, host: place.host, port: place.port, group: group)
            metricsAddress.withLock { $0 = server.address }
            running.parts.withLock { $0.metricsServer = server }
        } catch {
            throw TransportError.bindFailed(
                address: place.description, reason: "\(error) (metricsPort names another port, or 0 for none)")
        }
    }

    private func server(port: Int) -> RemotingServer {
        RemotingServer(
            configuration: .init(
                host: configuration.bindAddress, port: port, budget: budget, security: serverSecurity), group: group,
            logger: logger, handler: self)
    }

    /// What tells the nameservers of this broker, and a slave whose master is fixed of its master.
    private func register(
        _ running: Running, host: String, haHost: String, siblings: Siblings, copy: TableCopy
    ) -> Registration {
        let context = running.context
        let client = siblings.client
        var registration = Registration(
            context: context, client: client, brokerAddress: host, haAddress: haHost)
        if context.replication.member == nil, let slave = context.replication.slave {
            let link = SlaveLink(context: context, slave: slave, siblings: siblings, tables: copy) { [weak self] in
                self?.rejoin()
            }
            registration.masterFound = { link.found($0) }
            running.parts.withLock { $0.slaveLink = link }
        }
        registration.watch = NameserverWatch(client: client, group: group) { [context] in
            context.registrations.withLock { $0 }?.request {}
        }
        return registration
    }

    /// Begins to take part in a group that may change its master.
    private func joinGroup(
        _ context: BrokerContext, _ client: RemotingClient, siblings: Siblings, copy: TableCopy
    ) {
        guard let member = context.replication.member, let slave = context.replication.slave else { return }
        let shell = GroupShell(
            context: context, member: member, slave: slave, siblings: siblings, tables: copy, client: client,
            coordinator: coordinator(context, member), restart: { [weak self] cut in self?.rejoin(cut: cut) })
        context.group.withLock { $0 = shell }
        shell.start(on: group.next())
    }

    private func coordinator(_ context: BrokerContext, _ member: GroupMember) -> EtcdCoordinator? {
        guard member.settings.policy == .etcd else { return nil }
        return EtcdCoordinator(
            member.settings,
            prefix: GroupKeys.prefix(cluster: configuration.clusterName, name: configuration.brokerName),
            me: member.replica.id, address: context.announcedAddress, directory: member.directory, group: group,
            logger: logger)
    }
}

/// Carries arrivals to the pull processor, which is made after the store.
final class ArrivalRelay: Sendable {
    let target = Mutex<PullProcessor?>(nil)

    func relay(_ arrivals: [QueueArrival]) { target.withLock { $0 }?.arrived(arrivals) }
}
