import CoreMetrics
import MQMetrics
import MQReplication
import MQStore
import Synchronization

/// What is only known by asking: measured when somebody reads `/metrics`, never otherwise.
struct BrokerGauges: Sendable {
    private let context: BrokerContext
    private let heldPulls: @Sendable () -> Int
    private let lengths: [(gauge: Gauge, count: @Sendable () -> Int)]
    private let unflushed: Gauge
    private let unindexed: Gauge
    private let slaves: Gauge
    private let replicaBehind: Gauge
    private let replicaLate: Gauge
    private let writable: Gauge
    private let upkeep: Gauge
    private let cut: Gauge
    private let expired: Gauge
    private let forced: Gauge
    private let epoch: Gauge
    private let isMaster: Gauge
    private let takesWrites: Gauge
    private let inSync: Gauge
    private let lease: Gauge
    private let connections: Gauge
    private let held: Gauge
    private let openTransactions: Gauge
    private let transactions: @Sendable () -> Int
    private let pages: [(gauge: Gauge, field: String)]
    private let stall: Gauge

    init(
        _ context: BrokerContext, factory: any MetricsFactory, heldPulls: @escaping @Sendable () -> Int,
        openTransactions: @escaping @Sendable () -> Int
    ) {
        func gauge(_ label: String, _ dimensions: [(String, String)] = []) -> Gauge {
            Gauge(label: label, dimensions: dimensions, factory: factory)
        }
        func length(_ queue: String, _ count: @escaping @Sendable () -> Int) -> (Gauge, @Sendable () -> Int) {
            (gauge("mqbroker_queue_length", [("queue", queue)]), count)
        }
        self.context = context
        self.heldPulls = heldPulls
        transactions = openTransactions
        lengths =
            [length("send") { context.store.waitingAppends.count }]
            + context.lanes.named.map { name, lane in length(name) { lane.count } }
        unflushed = gauge("mqbroker_flush_behind_bytes")
        unindexed = gauge("mqbroker_index_behind_bytes")
        slaves = gauge("mqbroker_slaves")
        replicaBehind = gauge("mqbroker_replication_behind_bytes")
        replicaLate = gauge("mqbroker_replication_behind_milliseconds")
        writable = gauge("mqbroker_store_writable")
        upkeep = gauge("mqbroker_store_upkeep")
        cut = gauge("mqbroker_log_cut_bytes")
        expired = gauge("mqbroker_log_removed_bytes", [("reason", "age")])
        forced = gauge("mqbroker_log_removed_bytes", [("reason", "space")])
        epoch = gauge("mqbroker_log_epoch")
        isMaster = gauge("mqbroker_master")
        takesWrites = gauge("mqbroker_group_takes_writes")
        inSync = gauge("mqbroker_in_sync_replicas")
        lease = gauge("mqbroker_lease_left_milliseconds")
        connections = gauge("mqbroker_client_connections")
        held = gauge("mqbroker_held_pulls")
        self.openTransactions = gauge("mqbroker_open_transactions")
        pages = [
            (gauge("mqbroker_page_cache_bytes", [("state", "dirty")]), "Dirty"),
            (gauge("mqbroker_page_cache_bytes", [("state", "writeback")]), "Writeback"),
            (gauge("mqbroker_page_cache_bytes", [("state", "cached")]), "Cached"),
        ]
        stall = gauge("mqbroker_io_stalled_ratio")
    }

    func sample() {
        for (gauge, count) in lengths { gauge.record(count()) }
        unflushed.record(context.store.unflushedBytes)
        unindexed.record(context.store.unindexedBytes)
        let master = context.replication.master
        slaves.record(master.slaves.count)
        // Without a slave nobody is behind, and the number of slaves says that nobody is there.
        let behind = context.replication.isSlave ? context.replication.slave?.lagBytes : master.lagBytes
        replicaBehind.record(behind ?? 0)
        replicaLate.record(master.lagMilliseconds ?? 0)
        writable.record(context.store.isWritable ? 1 : 0)
        upkeep.record(context.store.upkeepTrouble == nil ? 1 : 0)
        cut.record(context.replication.cutBytes)
        expired.record(context.store.removedBytes.expired)
        forced.record(context.store.removedBytes.forced)
        epoch.record(context.replication.epochs.table.last.number)
        isMaster.record(context.replication.isSlave ? 0 : 1)
        sampleGroup()
        connections.record(context.connections.withLock { $0.count })
        held.record(heldPulls())
        openTransactions.record(transactions())
        let memory = KernelFigures.memory
        for (gauge, field) in pages { if let bytes = memory[field] { gauge.record(bytes) } }
        if let ratio = KernelFigures.ioStall { stall.record(ratio) }
    }

    /// Of a group that may change its master; a fixed pair has no in-sync set and no lease.
    private func sampleGroup() {
        guard let member = context.replication.member else { return }
        takesWrites.record(member.refusal == nil ? 1 : 0)
        guard member.settings.policy == .etcd else { return }
        // As this broker knows it: a follower hears of a change a moment later.
        inSync.record(member.group?.inSync.count ?? 0)
        lease.record(member.leaseMillisecondsLeft)
    }
}
