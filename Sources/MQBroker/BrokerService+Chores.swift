import MQReplication
import MQStore
import MQTransport
import NIOCore
import Synchronization

/// What a broker does again and again.
extension BrokerService {
    /// How often held pulls whose time is up are looked for; they are answered at most this late.
    private static let holdTick = TimeAmount.milliseconds(100)
    /// How often a slave that has not heard of its master asks the nameservers again.
    private static let masterTick = TimeAmount.milliseconds(500)
    /// How often counts are sampled for rates.
    private static let statsTick = TimeAmount.seconds(10)

    func chores(
        _ running: Running, transactions: TransactionProcessor, days: DayTotals.Box, siblings: Siblings
    ) -> [RepeatedTask] {
        let (context, delays) = (running.context, running.delays)
        let isChecking = BusyFlag()
        let expiry = configuration.clientExpiry.components.seconds * 1000
        return [
            repeated(Self.holdTick) { [pull = running.pull] in
                pull.expire()
                context.replication.master.expire(now: MonotonicClock.nanoseconds())
                context.store.refuseOverdue()
                context.announceWritability()
                context.tellUpkeep()
                context.tellRemoved()
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
        ] + followersChores(running, siblings)
    }

    /// What one does that follows another broker, or may come to.
    private func followersChores(_ running: Running, _ siblings: Siblings) -> [RepeatedTask] {
        let context = running.context
        var chores = [
            repeated(TimeAmount(configuration.slaveSyncPeriod)) {
                Task {
                    await running.parts.withLock { $0.slaveLink }?.refresh()
                    await context.group.withLock { $0 }?.refreshTables()
                }
            }
        ]
        if let member = context.replication.member {
            let views = NameserverViews(context: context, member: member, siblings: siblings, client: siblings.client)
            chores.append(repeated(TimeAmount(member.settings.checkPeriod)) { views.look() })
        } else {
            chores.append(
                repeated(Self.masterTick) {
                    guard let link = running.parts.withLock({ $0.slaveLink }), !link.knowsMaster else { return }
                    context.registrations.withLock { $0 }?.request {}
                })
        }
        return chores
    }

    private func repeated(_ period: TimeAmount, _ work: @escaping @Sendable () -> Void) -> RepeatedTask {
        group.next().scheduleRepeatedTask(initialDelay: period, delay: period) { _ in work() }
    }
}

/// Keeps a chore that takes longer than its period from running twice at once.
private final class BusyFlag: Sendable {
    private let isTaken = Atomic(false)

    func take() -> Bool { !isTaken.exchange(true, ordering: .acquiringAndReleasing) }
    func release() { isTaken.store(false, ordering: .releasing) }
}
