import Glibc
public import Logging
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization

/// A client's way to its cluster, shared by producers, consumers and admin calls.
///
/// Picks a nameserver at random and stays with it until it fails; keeps the routes that were asked for fresh; tells
/// brokers every 30 s which groups are alive here. Nothing is connected before the first call needs it.
/// Call ``shutdown()`` when done: it owns event-loop threads.
public final class MQConnection: Sendable {
    /// The settings.
    public let configuration: MQClientConfiguration
    /// Unique among the clients of a cluster: address, instance.
    public let clientID: String

    let transport: RemotingClient
    let ids: UniqueMessageIDGenerator
    let membership: Membership
    let pushed = PushedWork()
    let locks = QueueLocks()
    private let routeQuestions = RouteQuestions()
    let logger: Logger
    private let group: MultiThreadedEventLoopGroup
    private let state: Mutex<State>

    private struct State {
        var choice: NameserverChoice
        var generator: SeededGenerator
        var routes = RouteCache()
        var groups = GroupRegistry()
        var greeted: Set<String> = []
        /// All masters of the cluster, if some group must meet them.
        var masters: Set<String> = []
        var background: Task<Void, Never>?
        var isShutDown = false

        /// Who has to hear of this client's groups.
        var audience: Set<String> {
            groups.mustMeetAllBrokers ? routes.brokerAddresses.union(masters) : routes.brokerAddresses
        }
    }

    private static let instances = Atomic<UInt32>(0)
    private static let processSalt = UInt32.random(in: 0 ... .max)

    /// A client that has connected to nothing yet.
    public init(
        configuration: MQClientConfiguration,
        logger: Logger = Logger(label: "mqclient", factory: { _ in SwiftLogNoOpLogHandler() })
    ) {
        let instance = Self.instances.wrappingAdd(1, ordering: .relaxed).newValue
        let address = Self.localAddress()
        let name = configuration.instanceName.isEmpty ? "\(getpid())#\(instance)" : configuration.instanceName
        self.configuration = configuration
        self.logger = logger
        clientID = "\(address.map { String($0) }.joined(separator: "."))@\(name)"
        group = MultiThreadedEventLoopGroup(numberOfThreads: configuration.threads)
        var generator = SeededGenerator(seed: configuration.randomSeed ?? UInt64.random(in: 0 ... .max))
        // Never from the seed: two clients with the same seed must not give the same ids.
        ids = UniqueMessageIDGenerator(
            address: address, processID: getpid(), loaderHash: Self.processSalt &+ instance)
        let choice = NameserverChoice(addresses: configuration.nameservers, using: &generator)
        let membership = Membership()
        self.membership = membership
        transport = RemotingClient(
            configuration: .init(connectTimeout: configuration.connectTimeout, security: configuration.security),
            group: group, logger: logger, requestHandler: PushedRequests(membership: membership, pushed: pushed))
        state = Mutex(State(choice: choice, generator: generator))
    }

    /// Says goodbye to nobody (producers and consumers do that), closes all connections and ends the threads.
    public func shutdown() async {
        let background = state.withLock { state in
            state.isShutDown = true
            defer { state.background = nil }
            return state.background
        }
        background?.cancel()
        await routeQuestions.shutdown()
        // First the connections, so that nobody in the background waits for a peer that is gone.
        await transport.shutdown()
        await background?.value
        do {
            try await group.shutdownGracefully()
        } catch {
            logger.warning("event loops did not end", metadata: ["error": "\(error)"])
        }
    }

    /// The first IPv4 address that is not the loopback's, for ids; the loopback's when there is none.
    private static func localAddress() -> [UInt8] {
        let devices = (try? System.enumerateDevices()) ?? []
        for device in devices {
            guard let text = device.address?.ipAddress, device.address?.protocol == .inet else { continue }
            let parts = text.split(separator: ".").compactMap { UInt8($0) }
            if parts.count == 4, parts[0] != 127 { return parts }
        }
        return [127, 0, 0, 1]
    }

    /// A random start for rotating through queues.
    func randomStart() -> Int {
        state.withLock { Int($0.generator.next() % 65_536) }
    }

    // MARK: Calls

    /// Sends a request to a broker or nameserver; any answer counts, also a refusal.
    ///
    /// Goes on when the task is cancelled, to its answer or its time limit: commits and goodbyes are sent by tasks that
    /// are ending. For what an application waits for there is ``cancellableCall(_:to:timeout:)``.
    func call(
        _ request: RemotingCommand, to address: String, timeout: Duration? = nil
    ) async throws(MQClientError) -> RemotingCommand {
        do throws(TransportError) {
            return try await transport.call(
                configuration.encoded(request), to: address, timeout: timeout ?? configuration.requestTimeout)
        } catch {
            throw MQClientError(error, address: address)
        }
    }

    /// The same for a caller that does not wait once its task is cancelled; what was sent may then be carried out.
    func cancellableCall(
        _ request: RemotingCommand, to address: String, timeout: Duration? = nil
    ) async throws(MQClientError) -> RemotingCommand {
        guard !Task.isCancelled else { throw .cancelled }
        // Event loops that have ended would never answer.
        guard !state.withLock({ $0.isShutDown }) else {
            throw .unreachable(address: address, reason: "the client is shut down")
        }
        let answer = transport.future(
            configuration.encoded(request), to: address, timeout: timeout ?? configuration.requestTimeout)
        // Of the answer and the cancellation the first one counts.
        let promise = answer.eventLoop.makePromise(of: RemotingCommand.self)
        answer.cascade(to: promise)
        do {
            return try await withTaskCancellationHandler {
                try await promise.futureResult.get()
            } onCancel: {
                promise.fail(CancellationError())
            }
        } catch let error as TransportError {
            throw MQClientError(error, address: address)
        } catch {
            throw .noAnswer(address: address, reason: "the task was cancelled while it waited")
        }
    }

    /// The same for event loops; fails with `TransportError` only.
    func future(_ request: RemotingCommand, to address: String) -> EventLoopFuture<RemotingCommand> {
        guard !state.withLock({ $0.isShutDown }) else {
            return group.any().makeFailedFuture(
                TransportError.notSent(address: address, reason: "the client is shut down"))
        }
        return transport.future(configuration.encoded(request), to: address, timeout: configuration.requestTimeout)
    }

    /// Asks a nameserver, the next one when it cannot be asked, each at most once; not for a task that is cancelled.
    func askNameserver(_ request: RemotingCommand) async throws(MQClientError) -> RemotingCommand {
        var problems: [String] = []
        for _ in configuration.nameservers.indices {
            guard let address = state.withLock({ $0.choice.current }) else { break }
            do throws(MQClientError) {
                return try await cancellableCall(request, to: address)
            } catch {
                guard !Task.isCancelled else { throw .cancelled }
                state.withLock { $0.choice.failed(address) }
                problems.append(error.description)
            }
        }
        throw .noNameserver(reason: problems.isEmpty ? "none is configured" : problems.joined(separator: "; "))
    }

    // MARK: Routes

    /// The route for sending: a known one, the nameserver's, or that of the template for automatic topics.
    func publishRoute(of topic: String, isRefreshing: Bool = false) async throws(MQClientError) -> TopicRoute {
        let known = state.withLock { $0.routes[topic] }
        if !isRefreshing, let known, !known.isStale { return known.route }
        do throws(MQClientError) {
            return try await fetchRoute(of: topic, fallback: known?.route)
        } catch .topicNotFound {
            let template: TopicRoute
            do throws(MQClientError) {
                template = try await queryRoute(of: "TBW102")
            } catch .topicNotFound {
                throw await whyMissing(topic, known: known?.route)
            }
            let route = template.asTemplate(for: topic, queues: configuration.defaultTopicQueueNums)
            state.withLock { $0.routes.store(route, isProvisional: true) }
            greetNewBrokers()
            return route
        }
    }

    /// The route for sending, if it is known and nothing speaks against it.
    func knownPublishRoute(of topic: String) -> TopicRoute? {
        state.withLock { $0.routes[topic] }.flatMap { $0.isStale ? nil : $0.route }
    }

    /// The route for reading: a known one or the nameserver's.
    func subscribeRoute(of topic: String, isRefreshing: Bool = false) async throws(MQClientError) -> TopicRoute {
        let known = state.withLock { $0.routes[topic] }.flatMap { $0.isProvisional ? nil : $0 }
        if !isRefreshing, let known, !known.isStale { return known.route }
        do throws(MQClientError) {
            return try await fetchRoute(of: topic, fallback: known?.route)
        } catch .topicNotFound {
            throw await whyMissing(topic, known: known?.route)
        }
    }

    /// Tells a topic that nobody has from one whose brokers are gone: a nameserver forgets a broker's topics with the
    /// broker, and answers both alike.
    func whyMissing(_ topic: String, known: TopicRoute? = nil) async -> MQClientError {
        let answer: RemotingCommand
        let info: ClusterInfo
        do {
            answer = try await askNameserver(.request(.getBrokerClusterInfo))
            info = try ClusterInfo(decoding: answer.body)
        } catch {
            // Without the answer the plain one stands.
            return .topicNotFound(topic: topic)
        }
        if info.brokers.isEmpty {
            return .brokersGone(
                topic: topic,
                reason: "no broker is registered with the nameserver (is one running, with this namesrvAddr?)")
        }
        let gone = known?.brokers.keys.filter { info.brokers[$0] == nil }.sorted() ?? []
        guard !gone.isEmpty else { return .topicNotFound(topic: topic) }
        return .brokersGone(
            topic: topic,
            reason: "\(gone.joined(separator: ", ")), which had it, is no longer registered (is the broker running?)")
    }

    /// Asks for a route, together with whoever else wants it, and keeps it. When no nameserver can be asked, the one that was known goes on to be used:
    /// brokers work without nameservers, and so do clients that know them.
    private func fetchRoute(
        of topic: String, fallback: TopicRoute? = nil
    ) async throws(MQClientError) -> TopicRoute {
        guard !Task.isCancelled else { throw .cancelled }
        let answer = await routeQuestions.answer(about: topic) { [self] in
            do throws(MQClientError) {
                let route = try await queryRoute(of: topic)
                state.withLock { $0.routes.store(route, isProvisional: false) }
                greetNewBrokers()
                return .success(route)
            } catch {
                return .failure(error)
            }
        }
        do throws(MQClientError) {
            return try answer.get()
        } catch {
            guard case .noNameserver = error, let fallback else { throw error }
            // Trusted until it fails again: not every call shall wait for nameservers that are gone.
            state.withLock { $0.routes.setStale(false, topic) }
            return fallback
        }
    }

    /// Asks for a route.
    func queryRoute(of topic: String) async throws(MQClientError) -> TopicRoute {
        let answer = try await askNameserver(.request(.getRouteByTopic, TopicRequestHeader(topic: topic)))
        switch answer.responseCode {
        case .success:
            do throws(BodyError) {
                return TopicRoute(topic: topic, data: try TopicRouteData(decoding: answer.body))
            } catch {
                throw .noNameserver(reason: "the route of \(topic) cannot be read: \(error)")
            }
        case .topicNotExist: throw .topicNotFound(topic: topic)
        default: throw .noNameserver(reason: "\(answer.responseCode): \(answer.remark ?? "")")
        }
    }

    /// Notes that a route may be why something failed; the next use asks again.
    func distrustRoute(of topic: String) { state.withLock { $0.routes.setStale(true, topic) } }

    // MARK: Groups

    func addProducer(_ group: String) {
        state.withLock { state in
            state.groups.addProducer(group)
            state.greeted = []
        }
        greetNewBrokers()
        startBackground()
    }

    /// Lets every broker hear of a producer's group that answers for transactions: half messages may lie on any of them,
    /// sent by members that are gone.
    func answersForTransactions(_ group: String) {
        state.withLock { $0.groups.answersForTransactions(group) }
        // Nobody waits for it; what fails is tried again with the next heartbeat.
        Task {
            await findMasters()
            greetNewBrokers()
        }
    }

    private func findMasters() async {
        guard state.withLock({ $0.groups.mustMeetAllBrokers && !$0.isShutDown }) else { return }
        do {
            let answer = try await askNameserver(.request(.getBrokerClusterInfo))
            let info = try ClusterInfo(decoding: answer.body)
            let masters = Set(info.brokers.values.compactMap { BrokerSet($0).masterAddress })
            state.withLock { $0.masters = masters }
        } catch {
            logger.debug("the cluster's brokers are not known", metadata: ["error": "\(error)"])
        }
    }

    func removeProducer(_ group: String) async {
        guard state.withLock({ $0.groups.removeProducer(group) }) else { return }
        await sayGoodbye(UnregisterClientRequestHeader(clientID: clientID, producerGroup: group))
    }

    func addConsumer(_ group: String) {
        state.withLock { state in
            state.groups.addConsumer(group)
            state.greeted = []
        }
        greetNewBrokers()
        startBackground()
    }

    func subscribe(_ group: String, to topic: String) {
        let isNews = state.withLock { state in
            let isNews = state.groups.subscribe(group, to: topic)
            if isNews { state.greeted = [] }
            return isNews
        }
        if isNews { greetNewBrokers() }
    }

    /// Announces a consumer that says itself what it is, instead of an earlier announcement.
    func setConsumer(_ data: ConsumerData) {
        state.withLock { state in
            state.groups.announce(data)
            state.greeted = []
        }
        greetNewBrokers()
        startBackground()
    }

    /// Takes back what ``setConsumer(_:)`` announced.
    func withdrawConsumer(_ group: String) async {
        guard state.withLock({ $0.groups.withdraw(group) }) else { return }
        await sayGoodbye(UnregisterClientRequestHeader(clientID: clientID, consumerGroup: group))
    }

    func removeConsumer(_ group: String) async {
        guard state.withLock({ $0.groups.removeConsumer(group) }) else { return }
        await sayGoodbye(UnregisterClientRequestHeader(clientID: clientID, consumerGroup: group))
    }

    /// Unregisters from every broker that had a heartbeat, side by side; those that are gone do not mind.
    private func sayGoodbye(_ header: UnregisterClientRequestHeader) async {
        let addresses = state.withLock { $0.greeted }
        await withDiscardingTaskGroup { group in
            for address in addresses {
                group.addTask { await self.callIgnoringFailure(.request(.unregisterClient, header), to: address) }
            }
        }
    }

    /// Heartbeats and goodbyes are best effort: the next one repeats them, or a closed connection says it all.
    private func callIgnoringFailure(_ request: RemotingCommand, to address: String) async {
        do throws(MQClientError) {
            _ = try await call(request, to: address)
        } catch {
            logger.debug(
                "broker did not take a notice", metadata: ["request": "\(request.requestCode)", "error": "\(error)"])
        }
    }

    private func greetNewBrokers() {
        let addresses = state.withLock { state in
            guard !state.groups.isEmpty, !state.isShutDown else { return Set<String>() }
            let new = state.audience.subtracting(state.greeted)
            state.greeted.formUnion(new)
            return new
        }
        guard !addresses.isEmpty else { return }
        // Nobody waits for it: a broker that does not answer must not hold up a send to another one.
        Task { await self.sendHeartbeats(to: addresses) }
    }

    private func sendHeartbeats(to addresses: Set<String>) async {
        let body = state.withLock { $0.groups.heartbeat(clientID: clientID) }.encoded()
        await withDiscardingTaskGroup { group in
            for address in addresses {
                group.addTask { await self.callIgnoringFailure(.request(.heartbeat, body: body), to: address) }
            }
        }
    }

    // MARK: Background

    private func startBackground() {
        state.withLock { state in
            guard state.background == nil, !state.isShutDown else { return }
            state.background = Task { [self] in
                await withDiscardingTaskGroup { group in
                    group.addTask { [self] in
                        await Self.every(configuration.heartbeatInterval) { await self.heartbeat() }
                    }
                    group.addTask { [self] in
                        await Self.every(configuration.routePollInterval) { await self.pollRoutes() }
                    }
                }
            }
        }
    }

    /// Does something at every interval, first after one, until the task is cancelled.
    static func every(_ interval: Duration, _ work: @Sendable () async -> Void) async {
        while !Task.isCancelled {
            // Cancellation ends the sleep with an error, and with it the loop.
            do { try await Task.sleep(for: interval) } catch { return }
            await work()
        }
    }

    private func heartbeat() async {
        await findMasters()
        let addresses = state.withLock { state in
            state.greeted = state.groups.isEmpty ? [] : state.audience
            return state.greeted
        }
        await sendHeartbeats(to: addresses)
    }

    private func pollRoutes() async {
        for topic in state.withLock({ $0.routes.topics }) {
            do throws(MQClientError) {
                _ = try await fetchRoute(of: topic)
            } catch {
                // The old route is better than none; a topic that is gone shows when it is used.
                logger.debug("route not refreshed", metadata: ["topic": "\(topic)", "error": "\(error)"])
            }
        }
    }
}

/// What brokers push: news of a group goes to its consumers, a question to who serves it; the rest is refused.
private struct PushedRequests: RemotingRequestHandler {
    let membership: Membership
    let pushed: PushedWork

    func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
        guard request.requestCode == .notifyConsumerIDsChanged,
            let header = try? ConsumerGroupRequestHeader(fields: request.extFields)
        else {
            if !pushed.handle(request, on: connection, reply: reply) { reply.send(request.notSupported()) }
            return
        }
        membership.changed(header.consumerGroup)
        if reply.isExpected { reply.send(request.response()) }
    }
}
