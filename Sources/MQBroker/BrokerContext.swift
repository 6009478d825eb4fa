import CoreMetrics
import Logging
import MQReplication
import MQStore
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization

/// What all request processors of one broker share.
///
/// Tables are values under a lock each. Of these locks none is held while another is taken, while the disk is touched, or
/// while a table is turned into JSON: requests take them on their event loops. The turn of a table's file and a
/// transaction's table come before them.
final class BrokerContext: Sendable {
    let configuration: BrokerConfiguration
    let store: MessageStore
    let replication: Replication
    /// Has done what the group decides, where it may change its master; there once the broker listens.
    let group = Mutex<GroupShell?>(nil)
    /// Threads for what may block on the disk, by kind of work.
    let lanes: WorkLanes
    let metrics: BrokerMetrics
    /// What topics and groups send and consume.
    let stats = Mutex(StatsTable())
    /// The settings that may change while the broker runs.
    let live: Mutex<LiveSettings>
    let logger: Logger
    /// The wall clock, milliseconds since 1970.
    let now: @Sendable () -> Int64
    /// The clock for holds, silences and locks, milliseconds: a changed wall clock must not end them.
    let uptime = MonotonicClock.milliseconds
    /// The address that records carry; its port is known once the broker listens.
    let storeHost: Mutex<RecordHost>
    let topics: Mutex<TopicTable>
    /// What nameservers and the log were last told of the store.
    private let toldWriting = Mutex(Writing.goesOn)
    private let toldUpkeep = Atomic<Bool>(true)
    private let toldRemoved = Mutex(RemovedBytes())
    /// Whether the last save of the topics failed.
    private let topicsUnsaved = Atomic<Bool>(false)
    let offsets: Mutex<ConsumerOffsetTable>
    let groups: Mutex<SubscriptionGroupTable>
    let clients = Mutex(ClientTable())
    let connections = Mutex<[UInt64: RemotingConnection]>([:])
    let locks = Mutex(QueueLockTable())
    let tables: BrokerTables
    /// Tells the nameservers of changed topics; there once the broker listens.
    let registrations = Mutex<RegistrationRounds?>(nil)

    init(
        configuration: BrokerConfiguration, _ opened: OpenedStore, lanes: WorkLanes, metrics: BrokerMetrics,
        logger: Logger, now: @escaping @Sendable () -> Int64
    ) throws {
        self.configuration = configuration
        store = opened.store
        replication = Replication(configuration, opened, logger: logger)
        self.lanes = lanes
        self.metrics = metrics
        live = Mutex(LiveSettings(configuration))
        self.logger = logger
        self.now = now
        storeHost = Mutex(
            RecordHost(numeric: configuration.brokerIP1, port: Int32(configuration.listenPort))
                ?? RecordHost(address: [127, 0, 0, 1], port: Int32(configuration.listenPort)))
        tables = BrokerTables(directory: store.configuration.configDirectory)
        let savedTopics = try tables.topics.load(logger) { try TopicConfigTable(json: $0) }
        topics = Mutex(TopicTable(saved: savedTopics, configuration: configuration))
        offsets = Mutex(try tables.offsets.load(logger) { ConsumerOffsetTable(json: $0) } ?? ConsumerOffsetTable())
        groups = Mutex(try tables.groups.load(logger) { SubscriptionGroupTable(json: $0) } ?? SubscriptionGroupTable())
    }

    /// Saves the topics on a disk thread, lets the nameservers know, and then runs `then` on some thread.
    ///
    /// The topic is on the disk before anyone hears that a message of it is: a crash must not leave one without the
    /// other.
    func topicsDidChange(then: @escaping @Sendable () -> Void = {}) {
        lanes.tables.perform { [self] _ in
            saveTopics()
            if let rounds = registrations.withLock({ $0 }) { rounds.request(then: then) } else { then() }
        }
    }

    /// Saves the topics now.
    func saveTopics() {
        var written: Set<String> = []
        let saved = tables.topics.save(
            {
                let table = topics.withLock { $0 }
                written = table.unsaved
                return table.table.json
            }, logger: logger)
        // A failure is not waited for: the disk may stay full, and a topic with messages is made anew at the next start.
        topics.withLock { $0.didSave(written) }
        topicsUnsaved.store(!saved, ordering: .relaxed)
    }

    /// Whether the topics are on the disk as they are.
    var topicsAreSaved: Bool { !topicsUnsaved.load(ordering: .relaxed) }

    /// Whether the store takes messages, and whether that may change by itself.
    private enum Writing { case goesOn, waits, isOver }

    /// Tells the nameservers and the log when the store stops taking messages, and when it takes them again.
    func announceWritability() {
        let failure = store.writeFailure
        let writing: Writing = failure != nil ? .isOver : store.isWritable ? .goesOn : .waits
        let before = toldWriting.withLock { told in
            defer { told = writing }
            return told
        }
        guard before != writing else { return }
        let reason = (failure ?? store.writeTrouble).map { "\($0)" } ?? "none"
        switch writing {
        case .goesOn: logger.info("the store takes messages again")
        case .waits:
            logger.warning(
                "the store takes no messages until the disk does", metadata: ["failure": "\(reason)"])
        case .isOver:
            logger.error("the store takes no messages until a restart", metadata: ["failure": "\(reason)"])
        }
        // From one refusal to another nothing changes for the nameservers.
        guard before == .goesOn || writing == .goesOn else { return }
        let time = now()
        topics.withLock { $0.advanceVersion(nowMilliseconds: time) }
        registrations.withLock { $0 }?.request {}
    }

    /// Says in the log when the store's checkpoints and retention do not go on, and when they do again.
    func tellUpkeep() {
        let trouble = store.upkeepTrouble
        guard toldUpkeep.exchange(trouble == nil, ordering: .relaxed) != (trouble == nil) else { return }
        if let trouble {
            logger.error("the store's upkeep fails", metadata: ["failure": "\(trouble)"])
        } else {
            logger.info("the store's upkeep goes on")
        }
    }

    /// Says in the log when messages went, and above all when they went before their time.
    func tellRemoved() {
        let removed = store.removedBytes
        let before = toldRemoved.withLock { told in
            defer { told = removed }
            return told
        }
        let start = "\(store.minimumLogOffset)"
        if removed.forced > before.forced {
            logger.warning(
                "the disk is nearly full: the oldest messages went before their time, consumed or not",
                metadata: [
                    "bytes": "\(removed.forced - before.forced)", "logBeginsAt": "\(start)",
                    "setting": "cleanFileForciblyEnable",
                ])
        }
        if removed.expired > before.expired {
            logger.info(
                "the oldest messages went: they were kept for their time",
                metadata: [
                    "bytes": "\(removed.expired - before.expired)", "logBeginsAt": "\(start)",
                    "setting": "fileReservedTime",
                ])
        }
    }

    /// Saves the topics again when the last time failed.
    func saveTopicsIfUnsaved() { if topicsUnsaved.load(ordering: .relaxed) { saveTopics() } }

    /// Saves what changed of offsets and groups now.
    func saveOffsetsAndGroups() {
        let offsetsChanged = offsets.withLock { table in
            defer { table.isDirty = false }
            return table.isDirty
        }
        if offsetsChanged, !tables.offsets.save({ copy(of: offsets).json }, logger: logger) {
            offsets.withLock { $0.isDirty = true }
        }
        let groupsChanged = groups.withLock { table in
            defer { table.isDirty = false }
            return table.isDirty
        }
        if groupsChanged, !tables.groups.save({ copy(of: groups).json }, logger: logger) {
            groups.withLock { $0.isDirty = true }
        }
    }

    /// A table as it is now, to be turned into JSON without its lock.
    private func copy<Table: Sendable>(of table: borrowing Mutex<Table>) -> Table { table.withLock { $0 } }

    /// A topic with queues and without a configuration was made, and saving the table failed, or the table was copied before:
    /// its messages must stay within reach. The queues of deleted topics the store knows by itself.
    func restoreTopics() {
        var queueCounts: [String: Int32] = [:]
        for key in store.queueKeys {
            queueCounts[key.topic] = max(queueCounts[key.topic, default: 0], key.queueID + 1)
        }
        let time = now()
        for (topic, count) in queueCounts {
            guard case .created = topics.withLock({ $0.ensure(topic, queues: count, nowMilliseconds: time) })
            else { continue }
            logger.warning(
                "a topic has messages and no configuration; it is made anew",
                metadata: ["topic": "\(topic)", "queues": "\(count)"])
        }
    }

    /// Begins to be the master, in an epoch of its own behind those that are known. Blocks on the disk.
    func beginReign(known: Int64) {
        do throws(StoreError) {
            let epoch = try replication.epochs.begin(
                span: store.minimumLogOffset..<store.maximumLogOffset, known: known)
            logger.info(
                "an epoch begins", metadata: ["epoch": "\(epoch.number)", "from": "\(store.maximumLogOffset)"])
        } catch {
            // A full disk must not keep a broker from starting, and from making room.
            logger.error("the epoch that begins could not be saved yet", metadata: ["error": "\(error)"])
        }
    }

    /// Saves the epochs again when the last time failed.
    func saveEpochsIfUnsaved() {
        do throws(StoreError) { try replication.epochs.saveIfUnsaved() } catch {
            logger.error("the epochs could not be saved", metadata: ["error": "\(error)"])
        }
    }

    /// The address that clients are told.
    var announcedAddress: String {
        HostPort(host: configuration.brokerIP1, port: Int(storeHost.withLock { $0.port })).description
    }

    /// Counts messages that were stored for a topic.
    func countPuts(_ topic: String, messages: Int, bytes: Int, tookNanoseconds: Int64) {
        metrics.puts.increment(by: messages)
        metrics.putBytes.increment(by: bytes)
        let time = uptime()
        stats.withLock { stats in
            stats.add(.topicPutCount, topic, Int64(messages), now: time)
            stats.add(.topicPutBytes, topic, Int64(bytes), now: time)
            stats.add(.brokerPutCount, configuration.clusterName, Int64(messages), now: time)
            stats.putTimes.add(nanoseconds: tookNanoseconds, now: time)
        }
    }

    /// Counts messages that a group was given.
    func countGets(_ topic: String, group: String, messages: Int, bytes: Int) {
        metrics.gets.increment(by: messages)
        metrics.getBytes.increment(by: bytes)
        let time = uptime()
        let key = StatsTable.key(topic: topic, group: group)
        stats.withLock { stats in
            stats.add(.groupGetCount, key, Int64(messages), now: time)
            stats.add(.groupGetBytes, key, Int64(bytes), now: time)
            stats.add(.brokerGetCount, configuration.clusterName, Int64(messages), now: time)
        }
    }

    /// Calls `done` when a slave has the log up to `end`; at once where nobody wants that, or this broker does not promise it.
    func awaitCopy(
        of end: Int64, isWanted: Bool, _ done: @escaping @Sendable (ReplicationMaster.Outcome) -> Void
    ) {
        guard isWanted, replication.role == .syncMaster else { return done(.copied) }
        let limit = MonotonicClock.nanoseconds() + configuration.syncFlushTimeoutMilliseconds * 1_000_000
        replication.master.awaitCopy(of: end, until: limit, done)
    }

    /// Stores messages as ``MQStore/MessageStore/append(_:awaitsFlush:isPatient:wakesWriter:completion:)`` does, while this
    /// broker is the master: all that is stored goes through here.
    func append(
        _ drafts: [RecordDraft], awaitsFlush: Bool = true, isPatient: Bool = true, wakesWriter: Bool = true,
        completion: @escaping @Sendable (AppendOutcome) -> Void
    ) {
        guard let gate = replication.member?.gate else {
            return store.append(
                drafts, awaitsFlush: awaitsFlush, isPatient: isPatient, wakesWriter: wakesWriter,
                completion: completion)
        }
        guard gate.enter() else {
            return completion(.refused(StoreError(.closed, message: "this broker is not the master now")))
        }
        store.append(drafts, awaitsFlush: awaitsFlush, isPatient: isPatient, wakesWriter: wakesWriter) {
            // Who is answered later than now waits for the group by then, and hears of its end.
            completion($0)
            gate.leave()
        }
    }

    /// Stores what a request came to; the code says, as a send's does, whether what the configuration promises was kept.
    func store(_ drafts: [RecordDraft], then done: @escaping @Sendable (Result<ResponseCode, StoreError>) -> Void) {
        let lastBytes = Int64(drafts.last?.encodedSize ?? 0)
        append(drafts) { [self] outcome in
            func answer(_ receipt: AppendReceipt, isConfirmed: Bool) {
                awaitCopy(of: (receipt.logOffsets.last ?? 0) + lastBytes, isWanted: true) { copy in
                    done(.success(StoreAnswers.code(isConfirmed: isConfirmed, copy: copy)))
                }
            }
            switch outcome {
            case .stored(let receipt): answer(receipt, isConfirmed: true)
            case .unconfirmed(let receipt, _): answer(receipt, isConfirmed: false)
            case .refused(let error): done(.failure(error))
            }
        }
    }

    /// The topic a message is for, made if need be; whoever gets a new one calls ``topicsDidChange(then:)``, and whoever
    /// gets one that is being saved ``afterSavingTopics(_:)``.
    func resolveTopic(_ name: String, model: String, clientQueueNums: Int32) -> TopicTable.Resolution {
        let time = now()
        return topics.withLock {
            $0.resolve(name, model: model, clientQueueNums: clientQueueNums, nowMilliseconds: time)
        }
    }

    /// Makes those of some topics that are missing, and goes on once all of them are on the disk: at once and here, or on
    /// some thread and later, which `then` is told.
    ///
    /// A message of such a topic is appended in `then` and nowhere else.
    func withTopics(
        _ wanted: [(name: String, queues: Int32)], then: @escaping @Sendable (_ isLater: Bool) -> Void
    ) {
        guard !wanted.isEmpty else { return then(false) }
        let time = now()
        let outcomes = topics.withLock { table in
            wanted.map { table.ensure($0.name, queues: $0.queues, nowMilliseconds: time) }
        }
        if outcomes.contains(where: \.isCreated) {
            topicsDidChange { then(true) }
        } else if outcomes.contains(where: \.isSaving) {
            afterSavingTopics { then(true) }
        } else {
            then(false)
        }
    }

    /// Goes on, on some thread, once the topics are on the disk that others made a moment ago.
    func afterSavingTopics(_ then: @escaping @Sendable () -> Void) {
        lanes.tables.perform { [self] _ in
            if topics.withLock({ !$0.unsaved.isEmpty }) { saveTopics() }
            then()
        }
    }

    /// Carries out a request on a thread of its kind, or refuses it when too many wait there.
    func run(_ lane: WorkLane, _ reply: RemotingReply, _ work: @escaping @Sendable () -> Void) {
        guard !lane.isFull else {
            metrics.busy.increment()
            return reply.send(
                .systemBusy, remark: "[OVERLOAD]the broker is busy: \(lane.count) requests wait; ask again later")
        }
        reply.produce(on: lane) { [metrics] turn in
            guard let refusal = RemotingReply.refusal(turn) else { return work() }
            if refusal.code == .systemBusy { metrics.busy.increment() }
            reply.send(refusal.code, remark: refusal.remark)
        }
    }

    /// Works on a thread of the lane and answers with the outcome.
    func answer(_ reply: RemotingReply, on lane: WorkLane, _ work: @escaping @Sendable () throws -> RemotingCommand) {
        run(lane, reply) {
            do { reply.send(try work()) } catch { reply.send(.systemError, remark: "\(error)") }
        }
    }

    /// Takes a group's word for where it is; why not, when it cannot be true.
    ///
    /// Only what a client could have pulled: a topic and a queue of this broker, and an offset that is one.
    func commit(_ offset: Int64, group: String, queue: QueueKey) -> (code: ResponseCode, remark: String)? {
        guard let topic = topics.withLock({ $0[queue.topic] }) else {
            return (.topicNotExist, "topic[\(queue.topic)] not exist, its offset is not kept")
        }
        let queues = max(topic.readQueueNums, topic.writeQueueNums)
        guard queue.queueID >= 0, queue.queueID < queues else {
            return (.systemError, "queue \(queue.queueID) of \(queue.topic) is illegal, it has \(queues)")
        }
        guard offset >= 0, !group.isEmpty else {
            return (.systemError, "offset \(offset) of group '\(group)' is illegal (from 0, of a named group)")
        }
        offsets.withLock { $0.commit(group: group, queue: queue, offset: offset) }
        return nil
    }

    /// Tells the members of these groups that they changed, so that they divide the queues anew.
    func notifyMembers(of changed: [String]) {
        for group in changed {
            guard groups.withLock({ $0[group]?.notifiesMembers ?? true }) else { continue }
            let members = clients.withLock { $0.connections(of: group) }
            let request = RemotingCommand.request(
                .notifyConsumerIDsChanged, ConsumerGroupRequestHeader(consumerGroup: group))
            for member in connections.withLock({ all in members.compactMap { all[$0] } })
            where !member.notify(request) {
                // It has not read a thousand notices before, and will divide anew on its own.
                logger.debug(
                    "a member does not read", metadata: ["group": "\(group)", "peer": "\(member.remoteAddress)"])
            }
        }
    }
}
