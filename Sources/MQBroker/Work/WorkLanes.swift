import CoreMetrics
import MQTransport
import MQWire

/// The kinds of work that may block, a lane for each. Sends have the store's own queue, and heartbeats need no disk.
struct WorkLanes: Sendable {
    /// Pulls (11).
    let pull: WorkLane
    /// Messages by key and by place (12, 33).
    let query: WorkLane
    /// What consumers need to begin and to go on: offsets (14), times (29, 32), messages sent back (36).
    let consumer: WorkLane
    /// Ends of transactions (37).
    let transaction: WorkLane
    /// Questions and orders of tools.
    let admin: WorkLane
    /// Saving of tables: who makes a topic or a group waits for it.
    let tables: WorkLane
    /// What the broker does by itself: delays, checks of transactions.
    let chores: WorkLane

    /// - Parameter now: a monotonic clock, nanoseconds.
    init(_ configuration: BrokerConfiguration, metrics: any MetricsFactory, now: @escaping @Sendable () -> Int64) {
        func lane(_ name: String, _ limits: WorkLane.Limits) -> WorkLane {
            let waits = CoreMetrics.Timer(
                label: BrokerMetrics.queueWait, dimensions: [("queue", name)], factory: metrics)
            return WorkLane(limits, waits: waits, now: now)
        }
        let fails = configuration.failsFast
        pull = lane(
            "pull",
            .init(
                threads: 4, capacity: configuration.pullQueueCapacity,
                waitMilliseconds: fails ? configuration.pullWait.milliseconds : nil))
        query = lane("query", .init(threads: 2, capacity: configuration.queryQueueCapacity))
        consumer = lane("consumer", .init(threads: 2, capacity: configuration.pullQueueCapacity))
        transaction = lane(
            "transaction",
            .init(
                threads: 2, capacity: configuration.transactionQueueCapacity,
                waitMilliseconds: fails ? configuration.transactionWait.milliseconds : nil))
        admin = lane("admin", .init(threads: 2, capacity: configuration.queryQueueCapacity))
        tables = lane("tables", .init(threads: 1))
        chores = lane("chores", .init(threads: 2))
    }

    /// All of them, by the name that metrics and runtime information give them.
    var named: [(name: String, lane: WorkLane)] {
        [
            ("pull", pull), ("query", query), ("consumer", consumer), ("transaction", transaction), ("admin", admin),
            ("tables", tables), ("chores", chores),
        ]
    }

    /// Ends all threads.
    func stop() async {
        for (_, lane) in named { await lane.stop() }
    }
}

extension RemotingReply {
    /// Why a request that came to its turn is not carried out; `nil` when it is.
    static func refusal(_ turn: WorkTurn) -> (code: ResponseCode, remark: String)? {
        switch turn {
        case .work: nil
        case .late(let milliseconds):
            (
                .systemBusy,
                "[TIMEOUT_CLEAN_QUEUE]the broker is busy: the request waited \(milliseconds) ms; ask again later"
            )
        case .stopped: (.serviceNotAvailable, "the broker is stopping")
        }
    }
}
