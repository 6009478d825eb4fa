import Logging
import MQReplication
import MQStore
import MQTransport
import MQWire
import NIOCore
import Synchronization

/// Does what a group's machine decides: links, the log's end, tables, questions. Thin: it decides nothing itself.
final class GroupShell: Sendable {
    let context: BrokerContext
    let member: GroupMember
    let slave: ReplicationSlave
    let siblings: Siblings
    let tables: TableCopy
    let client: RemotingClient
    /// Stops the broker and starts it anew, on a log that ends here.
    let restart: @Sendable (_ cut: Int64) -> Void
    /// There under `etcd`.
    let coordinator: (any GroupCoordinator)?
    private let followed = Mutex<ReplicaID?>(nil)
    private let reported = Mutex<Set<String>>([])

    init(
        context: BrokerContext, member: GroupMember, slave: ReplicationSlave, siblings: Siblings, tables: TableCopy,
        client: RemotingClient, coordinator: (any GroupCoordinator)?,
        restart: @escaping @Sendable (_ cut: Int64) -> Void
    ) {
        self.context = context
        self.member = member
        self.slave = slave
        self.siblings = siblings
        self.tables = tables
        self.client = client
        self.coordinator = coordinator
        self.restart = restart
    }

    /// How long a disk that did not take what has to be noted is left alone.
    private static let diskPause = Duration.seconds(1)

    var store: MessageStore { context.store }
    private var epochs: EpochRecord { context.replication.epochs }
    private var master: ReplicationMaster { context.replication.master }

    /// Begins to take part in the group.
    func start(on loop: any EventLoop) {
        let master = master
        member.start(on: loop, acknowledge: { master.acknowledge(upTo: $0) }, perform: { [self] in await perform($0) })
        if member.settings.policy == .etcd || store.configuration.syncsCopies {
            store.observeLog { [member, slave] in
                member.logMoved()
                slave.reportFlushed()
            }
        }
        coordinator?.start(telling: { [member] in member.tell($0) })
    }

    /// Takes part no more. Whoever waits for an answer of the group's gets it from ``ReplicationMaster/stop()``.
    func stop() async {
        store.observeLog(nil)
        let lease = member.lease
        await member.stop()
        await coordinator?.stop(revoking: lease?.id)
    }

    /// Takes over the master's tables, where one is followed.
    func refreshTables() async {
        guard let id = followed.withLock({ $0 }), let address = member.directory.address(of: id) else { return }
        await tables.refresh(from: address) { [self] change in
            // Held while the change is made: a promotion ends the following first.
            try followed.withLock { now in
                guard now == id else { throw TableCopy.Outdated() }
                try change()
            }
        }
    }

    private func perform(_ action: ReplicaSetMachine.Action) async {
        switch action {
        case .acknowledge(let end): master.acknowledge(upTo: end)
        case .readGroup, .grantLease, .renewLease, .revokeLease, .campaign, .changeInSync, .resign:
            coordinator?.carryOut(action)
        case .ask(let number, let id): Task { await ask(id, number) }
        case .reconcile(let end, let table): await reconcile(cutTo: end, table)
        case .stream(let id, let epoch): stream(from: id, epoch)
        case .stopStreaming: await leave()
        case .promote(let epoch): await promote(epoch)
        case .demote(let reason): await demote(reason)
        case .handOver(let heir, let epoch): Task { await handOver(to: heir, epoch) }
        case .switchRefused(let reason):
            // It goes on as the master, if it is one.
            if member.isMaster { member.gate.open() }
            member.requests.finish(reason)
        case .report(let text): report(text)
        }
    }

    /// Once, and not with each attempt.
    private func report(_ text: String) {
        guard reported.withLock({ $0.count < 1000 && $0.insert(text).inserted }) else { return }
        context.logger.error("something keeps this broker from its place", metadata: ["what": "\(text)"])
    }

    // MARK: following

    private func ask(_ id: ReplicaID, _ number: Int) async {
        if member.directory.address(of: id) == nil { await coordinator?.findMembers() }
        guard let address = member.directory.address(of: id) else { return }
        switch await siblings.log(of: address) {
        case .silent(let error):
            context.logger.debug(
                "another broker of the group does not answer", metadata: ["broker": "\(address)", "error": "\(error)"])
        case .foreign: report("the broker at \(address) is none of this kind; failoverPolicy needs brokers that are")
        case .log(let log):
            guard let replica = log.replica else {
                return report("the broker at \(address) has another failoverPolicy than this one")
            }
            member.directory.note(replica.id, at: address)
            // Now that it is known by its number, the next word of a nameserver names it so.
            guard replica.id == id else { return }
            guard log.segmentBytes == store.configuration.segmentBytes else {
                return report(
                    "the segments of \(address) have \(log.segmentBytes) bytes; set mappedFileSizeCommitLog to that here"
                )
            }
            guard log.isSame else {
                return report(
                    "the log of \(address) is another one than this one's, though both have the same epochs; "
                        + "empty this store to begin anew")
            }
            member.directory.note(id, place: .init(address: log.address, start: log.master.start))
            member.tell(
                .status(ReplicaStatus(replica: replica, log: log.master, reign: log.reign), to: number))
        }
    }

    private func stream(from id: ReplicaID, _ epoch: Epoch?) {
        guard let place = member.directory.place(of: id), let epoch else { return member.tell(.linkLost(id)) }
        followed.withLock { $0 = id }
        slave.follow(
            .init(address: place.address, sendsWholeLog: true, logStart: place.start),
            .init(replica: member.replica, epoch: epoch, ended: { [member] in member.tell(.linkLost(id)) }))
        Task { await refreshTables() }
    }

    private func leave() async {
        followed.withLock { $0 = nil }
        await context.lanes.tables.run { [slave] in slave.leave() }
    }

    /// Has this log be a beginning of the one that the table describes.
    private func reconcile(cutTo place: Int64, _ table: EpochTable) async {
        await leave()
        await context.lanes.tables.run { [master] in master.release() }
        guard store.maximumLogOffset <= place else { return await cut(at: place, table) }
        guard
            await keepTrying(
                "the table of epochs could not be saved",
                { [epochs] () throws(StoreError) in
                    try epochs.adopt(table)
                })
        else { return }
        member.tell(.reconciled(end: store.maximumLogOffset, epochs: table))
    }

    /// Keeps the log's end aside, and has the broker start anew without it: a log is cut only while its store is closed. It asks
    /// for its place again then.
    private func cut(at place: Int64, _ table: EpochTable) async {
        let last = epochs.table.epoch(at: store.maximumLogOffset - 1)
        let reason = "the group, now in epoch \(table.last.number), went on without this end, of epoch \(last.number)"
        let name = "\(last.number)-\(String(last.mark, radix: 16))"
        let isKept = await keepTrying("what has to be cut from the log could not be kept aside") {
            [store, context] () throws(StoreError) in
            let cut = try store.saveEnd(from: place, name: name, reason: reason)
            context.logger.error(
                "the log's end is another one than the group's; it is cut, and kept aside",
                metadata: [
                    "from": "\(cut.range.lowerBound)", "to": "\(cut.range.upperBound)", "kept in": "\(cut.path)",
                    "why": "\(reason)",
                ])
        }
        if isKept { restart(place) }
    }

    /// Does what has to be on the disk, again and again until it is; `false` when the broker stops meanwhile.
    private func keepTrying(
        _ complaint: Logger.Message, _ work: @escaping @Sendable () throws(StoreError) -> Void
    ) async -> Bool {
        var isFirst = true
        while !Task.isCancelled {
            let failure = Mutex<StoreError?>(nil)
            await context.lanes.tables.run {
                do throws(StoreError) { try work() } catch { failure.withLock { $0 = error } }
            }
            guard let error = failure.withLock({ $0 }) else { return true }
            if isFirst { context.logger.error(complaint, metadata: ["error": "\(error)"]) }
            isFirst = false
            try? await Task.sleep(for: Self.diskPause)
        }
        return false
    }

    // MARK: being the master

    private func promote(_ epoch: Epoch) async {
        await leave()
        let isBegun = await keepTrying("the epoch that begins could not be saved") {
            [store, epochs, member] () throws(StoreError) in
            // Somebody else may be the master by the time that the disk takes it.
            guard member.isPromoting(epoch) else { return }
            try epochs.begin(epoch, span: store.minimumLogOffset..<store.maximumLogOffset)
        }
        guard isBegun, member.isPromoting(epoch) else { return epochs.endReign() }
        // The master's tables were copied a while ago.
        context.restoreTopics()
        let start = store.maximumLogOffset
        member.gate.open()
        master.serve(in: epoch)
        member.tell(.promoted(epoch, start: start, epochs: epochs.table))
        // Who is the master no longer by now was told of no end of it.
        guard member.lastReign == epoch else { return await standDown() }
        context.logger.notice(
            "this broker is the master now", metadata: ["epoch": "\(epoch.number)", "from": "\(start)"])
        context.registrations.withLock { $0 }?.request {}
    }

    private func demote(_ reason: ReplicaSetMachine.Demotion) async {
        await standDown()
        context.logger.warning("this broker is the master no longer", metadata: ["why": "\(reason.rawValue)"])
        member.requests.finish(reason == .handedOver ? nil : "this broker lost its place: \(reason.rawValue)")
        context.registrations.withLock { $0 }?.request {}
    }

    /// Ends what a master does: nothing is stored any more, nobody is sent the log, and who waits is answered.
    private func standDown() async {
        epochs.endReign()
        await member.gate.close()
        await context.lanes.tables.run { [master] in master.release() }
    }

    private func handOver(to heir: ReplicaID, _ epoch: Epoch) async {
        guard let address = member.directory.address(of: heir) else { return }
        let header = TakeOverRequestHeader(epochNumber: epoch.number, epochMark: epoch.mark)
        do {
            _ = try await client.call(.request(.takeOver, header), to: address, timeout: Siblings.timeout)
        } catch {
            // It sees by the nameservers that there is no master.
            context.logger.warning(
                "the next master was not reached", metadata: ["broker": "\(address)", "error": "\(error)"])
        }
    }

    /// Has another broker be the master; `answer` is told why not, or `nil` when it is to be it.
    func switchMaster(to heir: ReplicaID, _ answer: @escaping @Sendable (String?) -> Void) {
        guard member.isMaster else { return answer("this broker is not the master of its group") }
        member.requests.add(answer)
        // The log stands still before the machine looks at it: nothing is stored that the next master would lack.
        Task { [member] in
            await member.gate.close()
            member.tell(.switchRequested(to: heir))
        }
    }
}

extension GroupMember {
    /// Whether the machine waits for this epoch to begin.
    func isPromoting(_ epoch: Epoch) -> Bool { if case .promoting(epoch) = role { true } else { false } }
}

/// What a group's machine asks of a coordinator, whose answers go to the machine.
protocol GroupCoordinator: Sendable {
    /// Begins to tell of changes.
    func start(telling tell: @escaping @Sendable (ReplicaSetMachine.Event) -> Void)
    /// Carries a request of the machine out, without waiting for it.
    func carryOut(_ action: ReplicaSetMachine.Action)
    /// Hears where the group's brokers are.
    func findMembers() async
    /// Tells no more, and gives a lease back.
    func stop(revoking lease: Int64?) async
}
