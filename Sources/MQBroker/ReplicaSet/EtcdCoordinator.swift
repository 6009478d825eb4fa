import Logging
import MQEtcd
import MQReplication
import MQTransport
import NIOCore
import Synchronization

/// A group's coordinator in etcd: carries the machine's requests out, and tells it of changes.
///
/// Each request is a task of its own, so that a slow one holds up no renewal. What fails is not answered: the machine asks
/// again, and knows that it may have been done.
final class EtcdCoordinator: GroupCoordinator {
    typealias Event = ReplicaSetMachine.Event
    typealias Action = ReplicaSetMachine.Action

    private let client: EtcdClient
    private let me: ReplicaID
    private let address: String
    private let directory: GroupDirectory
    private let leaseSeconds: Int64
    private let logger: Logger
    private let tell = Mutex<(@Sendable (Event) -> Void)?>(nil)
    private let tasks = Mutex<[Task<Void, Never>]>([])
    /// The newest state that was seen, for a change of a part of it.
    private let newest = Mutex<GroupState?>(nil)
    private let isWell = Atomic(true)

    /// A watch that is silent for so long is made anew: nothing says that its connection is still one.
    private static let watchSilence = Duration.seconds(30)
    /// Between two attempts to watch.
    private static let watchPause = Duration.milliseconds(500)

    init(
        _ settings: GroupSettings, prefix: String, me: ReplicaID, address: String, directory: GroupDirectory,
        group: any EventLoopGroup, logger: Logger
    ) {
        self.me = me
        self.address = address
        self.directory = directory
        self.logger = logger
        leaseSeconds = settings.lease.milliseconds / 1000
        // Two members that do not answer leave time for a third, and for the renewal after that.
        client = EtcdClient(
            endpoints: settings.etcdEndpoints.compactMap { try? HostPort($0) }, prefix: prefix,
            timeout: .milliseconds(settings.lease.milliseconds / 6), group: group)
    }

    func start(telling told: @escaping @Sendable (Event) -> Void) {
        tell.withLock { $0 = told }
        keep { [self] in await announce() }
        keep { [self] in await watch() }
    }

    func stop(revoking lease: Int64?) async {
        tell.withLock { $0 = nil }
        let tasks = tasks.withLock { tasks in
            defer { tasks = [] }
            return tasks
        }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
        // The next master need not wait for its end.
        if let lease { try? await client.revoke(lease) }
    }

    private func keep(_ work: @escaping @Sendable () async -> Void) {
        let task = Task { await work() }
        tasks.withLock { $0.append(task) }
    }

    func findMembers() async { _ = try? await read() }

    /// Tells the group where this broker is.
    private func announce() async {
        while !Task.isCancelled {
            do {
                // Twice is as good as once.
                _ = try await client.change(
                    [.put(key: GroupKeys.members + String(me.number), GroupKeys.text(address: address))], where: [])
                return
            } catch {
                complain(error)
                try? await Task.sleep(for: Self.watchPause)
            }
        }
    }

    private func watch() async {
        while !Task.isCancelled {
            do {
                try await client.watch(silence: Self.watchSilence) { [self] in
                    Task { if let state = try? await read() { tell(.group(state)) } }
                }
            } catch { complain(error) }
            try? await Task.sleep(for: Self.watchPause)
        }
    }

    private func tell(_ event: Event) { tell.withLock { $0 }?(event) }

    private func read() async throws -> GroupState { try take(await client.read()) }

    /// Takes note of what was seen; gives the group's state.
    @discardableResult
    private func take(_ seen: EtcdSnapshot) throws -> GroupState {
        for (id, address) in GroupKeys.addresses(seen) { directory.note(id, at: address) }
        let state = try GroupKeys.group(seen)
        newest.withLock { if state.seenAt >= $0?.seenAt ?? .min { $0 = state } }
        if !isWell.exchange(true, ordering: .relaxed) { logger.notice("etcd answers again") }
        return state
    }

    /// Once, until it is well again.
    private func complain(_ error: any Error) {
        guard !Task.isCancelled, isWell.exchange(false, ordering: .relaxed) else { return }
        logger.error("etcd does not do what the group needs", metadata: ["error": "\(error)"])
    }

    func carryOut(_ action: Action) {
        Task { [self] in
            do { try await perform(action) } catch { complain(error) }
        }
    }

    private func perform(_ action: Action) async throws {
        switch action {
        case .readGroup(let number): tell(.answered(number, .state(try await read())))
        case .grantLease(let number):
            tell(.answered(number, .leaseGranted(try await client.grant(seconds: leaseSeconds))))
        case .renewLease(let number, let lease):
            guard let seen = try await client.renew(lease) else { return tell(.answered(number, .leaseGone)) }
            let state = try take(seen)
            tell(.answered(number, .leaseRenewed))
            tell(.group(state))
        case .revokeLease(let lease): try await client.revoke(lease)
        case .campaign(let number, let lease, let expected, let epoch, let inSync):
            let changes: [EtcdChange] = [
                .put(key: GroupKeys.state, GroupKeys.text(epoch: epoch, inSync: inSync, heir: nil)),
                .put(key: GroupKeys.master, String(me.number), lease: lease),
            ]
            try await change(
                changes, where: [.version(key: GroupKeys.state, expected), .version(key: GroupKeys.master, 0)], number)
        case .changeInSync(let number, let expected, let inSync):
            let epoch = try await epoch(at: expected)
            try await change(
                [.put(key: GroupKeys.state, GroupKeys.text(epoch: epoch, inSync: inSync, heir: nil))],
                where: [
                    .version(key: GroupKeys.state, expected), .value(key: GroupKeys.master, String(me.number)),
                ], number)
        case .resign(let lease, let expected, let heir):
            try await resign(lease: lease, expected: expected, heir: heir)
            try await client.revoke(lease)
        default: preconditionFailure("\(action) is nothing of a coordinator's")
        }
    }

    private func change(_ changes: [EtcdChange], where conditions: [EtcdCondition], _ number: Int) async throws {
        let (isDone, seen) = try await client.change(changes, where: conditions)
        let state = try take(seen)
        tell(.answered(number, isDone ? .done(state) : .state(state)))
    }

    /// The epoch of a revision: it does not change while that stands.
    private func epoch(at revision: Int64) async throws -> Epoch {
        if let known = newest.withLock({ $0 }), known.revision == revision { return known.epoch }
        return try await read().epoch
    }

    private func resign(lease: Int64, expected: Int64, heir: ReplicaID) async throws {
        guard let state = newest.withLock({ $0 }), state.revision == expected else { return }
        let text = GroupKeys.text(epoch: state.epoch, inSync: state.inSync, heir: heir)
        _ = try await client.change(
            [.put(key: GroupKeys.state, text), .delete(key: GroupKeys.master)],
            where: [.version(key: GroupKeys.state, expected), .lease(key: GroupKeys.master, lease)])
    }
}
