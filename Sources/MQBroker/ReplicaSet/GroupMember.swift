import MQReplication
import MQStore
import NIOCore
import Synchronization

/// This broker in its group: the one owner of what it is there, which the machine decides and its actions change.
///
/// What happens comes in from any thread and is taken one at a time; the log's end, as it is, comes before each. What is to
/// be done about it is done in the machine's order: acknowledgements at once, on the thread that brought them about, and
/// everything else by one task. Nothing that is told may block.
final class GroupMember: Sendable {
    typealias Event = ReplicaSetMachine.Event
    typealias Action = ReplicaSetMachine.Action

    let settings: GroupSettings
    /// This broker and its store.
    let replica: Replica
    let gate = AppendGate()
    let directory = GroupDirectory()
    let requests = SwitchRequests()
    private let store: MessageStore
    /// Monotonic, in milliseconds.
    private let now: @Sendable () -> Int64
    private let core: Mutex<Core>
    private let isMasterNow = Atomic(false)
    private let work = Mutex<Work?>(nil)
    private let actions: AsyncStream<Action>
    private let decided: AsyncStream<Action>.Continuation

    private struct Core {
        var machine: ReplicaSetMachine
        /// What is to be done and nobody has begun with.
        var pending: [Action] = []
        /// Whether a thread gives `pending` on.
        var isGiving = false
        var timer: Scheduled<Void>?
        var timerAt = Int64.max
        /// The epoch in which this broker was the master last.
        var lastReign: Epoch?
        /// There between start and stop.
        var loop: (any EventLoop)?
    }

    /// What runs between start and stop.
    private struct Work {
        var task: Task<Void, Never>
        var acknowledge: @Sendable (Int64) -> Void
    }

    init(
        _ settings: GroupSettings, replica: Replica, isFounder: Bool, store: MessageStore, epochs: EpochTable,
        now: @escaping @Sendable () -> Int64 = MonotonicClock.milliseconds
    ) {
        self.settings = settings
        self.replica = replica
        self.store = store
        self.now = now
        (actions, decided) = AsyncStream.makeStream(of: Action.self)
        let flushed = store.flushedLogOffset
        core = Mutex(
            Core(
                machine: ReplicaSetMachine(
                    configuration: settings.machine(
                        isFounder: isFounder, countsFlushed: store.configuration.syncsCopies),
                    me: replica,
                    log: LogSpan(start: store.minimumLogOffset, end: store.maximumLogOffset, epochs: epochs),
                    flushedEnd: flushed, now: now())))
    }

    // MARK: what it is

    /// Whether this broker is the master. What may be stored is ``refusal``'s to say.
    var isMaster: Bool { isMasterNow.load(ordering: .acquiring) }

    /// Why no message is taken now; `nil` when they are.
    var refusal: ReplicaSetMachine.Refusal? {
        // Most of those who are refused are refused by this alone.
        guard isMaster else { return .notMaster }
        return core.withLock { $0.machine.refusal(now: now()) }
    }

    /// Whether this broker may say to be the master: it is, and under `etcd` its lease has not run out unnoticed, as while it was
    /// paused.
    var mayClaim: Bool {
        core.withLock { core in
            guard core.machine.status.reign != nil else { return false }
            return core.machine.lease.map { $0.validUntil > now() } ?? (settings.policy != .etcd)
        }
    }

    /// What the machine is at this moment.
    var role: ReplicaSetMachine.Role { core.withLock { $0.machine.role } }

    /// The epoch in which this broker is the master, or was it last: whose end is told, or was.
    var lastReign: Epoch? { core.withLock { $0.lastReign } }

    /// What the coordinator last said of the group.
    var group: GroupState? { core.withLock { $0.machine.group } }

    /// The lease by which this broker serves.
    var lease: Lease? { core.withLock { $0.machine.lease } }

    /// How long this broker may still acknowledge without another word of etcd; 0 without a lease.
    var leaseMillisecondsLeft: Int64 {
        core.withLock { core in core.machine.lease.map { max(0, $0.validUntil - now()) } ?? 0 }
    }

    /// What is said of the group in a broker's runtime information.
    var figures: [(String, String)] {
        let (machine, time) = core.withLock { ($0.machine, now()) }
        var figures = [
            ("failoverPolicy", settings.policy.rawValue), ("replicaId", String(replica.id.number)),
            ("groupRole", machine.role.name),
            ("refusesWrites", machine.refusal(now: time)?.rawValue ?? ""),
            ("masterEpoch", machine.status.reign.map { String($0.number) } ?? ""),
        ]
        guard let group = machine.group else { return figures }
        let set = group.inSync.map { String($0.id.number) }.joined(separator: ",")
        figures += [
            ("groupEpoch", String(group.epoch.number)), ("groupMaster", group.master.map { String($0.number) } ?? ""),
            ("inSyncReplicas", set), ("minInSyncReplicas", String(settings.minimumInSync)),
            ("leaseMillisecondsLeft", String(machine.lease.map { max(0, $0.validUntil - time) } ?? 0)),
        ]
        return figures
    }

    /// What this broker says of itself to a sibling: no less than it has sent to anybody.
    func status() -> ReplicaStatus {
        let (status, gives) = core.withLock { core in
            refresh(&core, now())
            return (core.machine.status, beginGiving(&core))
        }
        if gives { give() }
        return status
    }

    // MARK: what happens

    /// Begins to take part.
    ///
    /// - Parameters:
    ///   - acknowledge: answers those who wait for their records to be where they have to be.
    ///   - perform: does all the rest, one after the other.
    func start(
        on loop: any EventLoop, acknowledge: @escaping @Sendable (Int64) -> Void,
        perform: @escaping @Sendable (Action) async -> Void
    ) {
        let actions = actions
        let task = Task { for await action in actions { await perform(action) } }
        work.withLock { $0 = Work(task: task, acknowledge: acknowledge) }
        core.withLock { $0.loop = loop }
        tell(.timer)
    }

    /// Takes part no more; what is being done is done when this returns.
    func stop() async {
        core.withLock { core in
            core.loop = nil
            core.timer?.cancel()
            core.timer = nil
        }
        isMasterNow.store(false, ordering: .releasing)
        requests.finish("the broker stops")
        decided.finish()
        let task = work.withLock { $0?.task }
        // Whatever waits for something that will not come hears of it.
        task?.cancel()
        await task?.value
    }

    /// Takes what happened, and has done what is to be done about it.
    func tell(_ event: Event) {
        let gives = core.withLock { core in
            guard core.loop != nil else { return false }
            let time = now()
            refresh(&core, time)
            core.pending += core.machine.handle(event, now: time)
            settle(&core, time)
            return beginGiving(&core)
        }
        if gives { give() }
    }

    /// Takes note of how far the log is.
    func logMoved() {
        let gives = core.withLock { core in
            guard core.loop != nil else { return false }
            let time = now()
            refresh(&core, time)
            settle(&core, time)
            return beginGiving(&core)
        }
        if gives { give() }
    }

    private func refresh(_ core: inout Core, _ time: Int64) {
        // The end last: what is flushed never passes it.
        let flushed = store.flushedLogOffset
        let end = store.maximumLogOffset
        guard end != core.machine.log.end || flushed != core.machine.flushedEnd else { return }
        core.pending += core.machine.handle(.log(end: end, flushed: flushed), now: time)
    }

    private func settle(_ core: inout Core, _ time: Int64) {
        let reign = core.machine.status.reign
        if let reign { core.lastReign = reign }
        let isMaster = reign != nil
        isMasterNow.store(isMaster, ordering: .releasing)
        guard let loop = core.loop, core.machine.wakeAt < core.timerAt else { return }
        core.timer?.cancel()
        core.timerAt = core.machine.wakeAt
        core.timer = loop.scheduleTask(in: .milliseconds(max(0, core.machine.wakeAt - time))) { [weak self] in
            guard let self else { return }
            self.core.withLock { $0.timerAt = .max }
            self.tell(.timer)
        }
    }

    private func beginGiving(_ core: inout Core) -> Bool {
        guard !core.isGiving, !core.pending.isEmpty else { return false }
        core.isGiving = true
        return true
    }

    /// Gives on what is pending until nothing is; one thread at a time, so that the order stays.
    private func give() {
        let acknowledge = work.withLock { $0?.acknowledge }
        while true {
            let taken = core.withLock { core in
                let taken = core.pending
                core.pending = []
                if taken.isEmpty { core.isGiving = false }
                return taken
            }
            guard !taken.isEmpty else { return }
            for action in taken {
                if case .acknowledge(let end) = action { acknowledge?(end) } else { decided.yield(action) }
            }
        }
    }
}

/// Those who want another master, until they hear what came of it.
final class SwitchRequests: Sendable {
    private let waiting = Mutex<[@Sendable (String?) -> Void]>([])

    func add(_ answer: @escaping @Sendable (String?) -> Void) { waiting.withLock { $0.append(answer) } }

    /// Tells all who wait why there is no switch; `nil` when there was one.
    func finish(_ refusal: String?) {
        let answers = waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
        for answer in answers { answer(refusal) }
    }
}
