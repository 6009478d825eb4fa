import Logging
import MQStore
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization

/// What all request processors of one broker share.
///
/// Tables are values under a lock each; no lock is held while another is taken, and none while the disk is touched.
final class BrokerContext: Sendable {
    let configuration: BrokerConfiguration
    let store: MessageStore
    /// Threads for what may block on the disk: reads of the store and saving of tables.
    let diskThreads: NIOThreadPool
    let logger: Logger
    /// The wall clock, milliseconds since 1970.
    let now: @Sendable () -> Int64
    /// The address that records carry; its port is known once the broker listens.
    let storeHost: Mutex<RecordHost>
    let topics: Mutex<TopicTable>
    let offsets: Mutex<ConsumerOffsetTable>
    let groups: Mutex<SubscriptionGroupTable>
    let clients = Mutex(ClientTable())
    let connections = Mutex<[UInt64: RemotingConnection]>([:])
    let locks = Mutex(QueueLockTable())
    let tables: BrokerTables
    /// Called when topics changed and the nameservers must hear of it.
    let topicsChanged = Mutex<(@Sendable () -> Void)?>(nil)

    init(
        configuration: BrokerConfiguration, store: MessageStore, diskThreads: NIOThreadPool, logger: Logger,
        now: @escaping @Sendable () -> Int64
    ) throws {
        self.configuration = configuration
        self.store = store
        self.diskThreads = diskThreads
        self.logger = logger
        self.now = now
        storeHost = Mutex(
            RecordHost(numeric: configuration.brokerIP1, port: Int32(configuration.listenPort))
                ?? RecordHost(address: [127, 0, 0, 1], port: Int32(configuration.listenPort)))
        tables = BrokerTables(directory: store.configuration.configDirectory)
        let savedTopics = try tables.topics.load().map { try TopicConfigTable(json: $0) }
        topics = Mutex(TopicTable(saved: savedTopics, configuration: configuration))
        offsets = Mutex(try tables.offsets.load().map { ConsumerOffsetTable(json: $0) } ?? ConsumerOffsetTable())
        groups = Mutex(try tables.groups.load().map { SubscriptionGroupTable(json: $0) } ?? SubscriptionGroupTable())
    }

    /// Saves the topics on a disk thread and lets the nameservers know.
    func topicsDidChange() {
        diskThreads.submit { [self] _ in saveTopics() }
        topicsChanged.withLock { $0 }?()
    }

    /// Saves the topics now.
    func saveTopics() { tables.topics.save({ topics.withLock { $0.table.json } }, logger: logger) }

    /// Saves what changed of offsets and groups now.
    func saveOffsetsAndGroups() {
        let offsetsChanged = offsets.withLock { table in
            defer { table.isDirty = false }
            return table.isDirty
        }
        if offsetsChanged { tables.offsets.save({ offsets.withLock { $0.json } }, logger: logger) }
        let groupsChanged = groups.withLock { table in
            defer { table.isDirty = false }
            return table.isDirty
        }
        if groupsChanged { tables.groups.save({ groups.withLock { $0.json } }, logger: logger) }
    }

    /// The topic a message is for, made if need be.
    func resolveTopic(_ name: String, model: String, clientQueueNums: Int32) -> TopicConfig? {
        let time = now()
        switch topics.withLock({
            $0.resolve(name, model: model, clientQueueNums: clientQueueNums, nowMilliseconds: time)
        }) {
        case .known(let topic): return topic
        case .created(let topic):
            topicsDidChange()
            return topic
        case .missing: return nil
        }
    }

    /// A group's own topic, made if need be.
    func ensureTopic(_ name: String, queues: Int32) -> TopicConfig? {
        let time = now()
        switch topics.withLock({ $0.ensure(name, queues: queues, nowMilliseconds: time) }) {
        case .known(let topic): return topic
        case .created(let topic):
            topicsDidChange()
            return topic
        case .missing: return nil
        }
    }

    /// Tells the members of these groups that they changed, so that they divide the queues anew.
    func notifyMembers(of changed: [String]) {
        for group in changed {
            guard groups.withLock({ $0[group]?.notifiesMembers ?? true }) else { continue }
            let members = clients.withLock { $0.connections(of: group) }
            let request = RemotingCommand.request(
                .notifyConsumerIDsChanged, ConsumerGroupRequestHeader(consumerGroup: group))
            for member in connections.withLock({ all in members.compactMap { all[$0] } }) { member.notify(request) }
        }
    }
}
