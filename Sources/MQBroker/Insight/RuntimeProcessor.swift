import MQStore
import MQTransport
import MQWire
import Synchronization

/// Request 28: what the broker is doing, under the names that RocketMQ's tools show.
struct RuntimeProcessor: RequestProcessor {
    let context: BrokerContext
    let days: DayTotals.Box
    let delays: DelaySchedule
    /// When the broker started, milliseconds since 1970.
    let startedAt: Int64

    func handle(_ request: RemotingCommand, reply: RemotingReply) throws -> Bool {
        guard request.requestCode == .getBrokerRuntimeInfo else { return false }
        // The disk's space and the first message's time are asked of the disk.
        context.answer(reply, on: context.lanes.admin) {
            let table = TextTable(Dictionary(values, uniquingKeysWith: { $1 }))
            return request.response(.success, body: table.encoded())
        }
        return true
    }

    private var values: [(String, String)] {
        let store = context.store
        let counts = context.clients.withLock { ($0.consumers.count, $0.producers.count) }
        return [
            ("bootTimestamp", String(startedAt)), ("brokerVersion", "409"), ("brokerVersionDesc", "V4_9_8"),
            ("commitLogMinOffset", String(store.minimumLogOffset)),
            ("commitLogMaxOffset", String(store.maximumLogOffset)),
            ("commitLogFlushedOffset", String(store.flushedLogOffset)),
            ("consumerGroups", String(counts.0)), ("producerGroups", String(counts.1)),
            ("runtime", Self.span(context.now() - startedAt)),
            ("writeFailure", (store.writeFailure ?? store.writeTrouble).map { "\($0)" } ?? ""),
            ("upkeepFailure", store.upkeepTrouble.map { "\($0)" } ?? ""),
            ("removedForSpaceBytes", String(store.removedBytes.forced)),
            ("dispatchBehindBytes", String(store.unindexedBytes)),
            ("remainHowManyDataToFlush", "\(store.unflushedBytes) B"),
            ("earliestMessageTimeStamp", String((try? store.earliestStoreTimestamp).flatMap { $0 } ?? -1)),
            ("startAcceptSendRequestTimeStamp", "0"), ("remainTransientStoreBufferNumbs", "0"),
        ] + rates + queues + space + levels + context.replication.figures
    }

    /// How far each delay level in use is: the next message to deliver, and one past its last.
    private var levels: [(String, String)] {
        delays.offsets.enumerated().filter { $0.element > 0 }.map { index, offset in
            let end = context.store.maximumOffset(of: QueueKey(topic: DelayLevels.topic, queueID: Int32(index)))
            return ("scheduleMessageOffset_\(index + 1)", "\(offset),\(end)")
        }
    }

    /// What was sent and consumed: per second over about 10 s, 1 min and 10 min, and in all.
    private var rates: [(String, String)] {
        let now = context.uptime()
        let (puts, gets, times) = context.stats.withLock {
            (
                $0[.brokerPutCount, context.configuration.clusterName],
                $0[.brokerGetCount, context.configuration.clusterName], $0.putTimes
            )
        }
        // Two digits behind the point, without a formatter.
        func rounded(_ number: Double) -> String { "\(Double(Int64(number * 100)) / 100)" }
        func text(_ window: RateWindow?) -> String {
            guard let window else { return "0 0 0" }
            let rates = [
                window.recentPerSecond(.minute, now: now), window.figures(.minute, now: now).perSecond,
                window.recentPerSecond(.hour, now: now),
            ]
            return rates.map(rounded).joined(separator: " ")
        }
        let days = days.totals
        return [
            ("putTps", text(puts)), ("getTotalTps", text(gets)), ("getTransferedTps", text(gets)),
            ("getFoundTps", text(gets)), ("putMessageTimesTotal", String(puts?.times ?? 0)),
            ("msgPutTotalTodayNow", String(puts?.sum ?? 0)), ("msgGetTotalTodayNow", String(gets?.sum ?? 0)),
            ("msgPutTotalTodayMorning", String(days.puts.todayMorning)),
            ("msgPutTotalYesterdayMorning", String(days.puts.yesterdayMorning)),
            ("msgGetTotalTodayMorning", String(days.gets.todayMorning)),
            ("msgGetTotalYesterdayMorning", String(days.gets.yesterdayMorning)),
            ("putMessageDistributeTime", times.distribution),
            ("putLatency99", rounded(times.latency(share: 0.99))),
            ("putLatency999", rounded(times.latency(share: 0.999))),
        ]
    }

    private var queues: [(String, String)] {
        let sends = context.store.waitingAppends
        let lanes = context.lanes
        return [
            ("sendThreadPoolQueueSize", String(sends.count)),
            ("sendThreadPoolQueueCapacity", String(context.configuration.sendQueueCapacity)),
            ("sendThreadPoolQueueHeadWaitTimeMills", String(sends.headMilliseconds)),
            // How long a send would wait for the log at this moment: nothing else locks it.
            ("pageCacheLockTimeMills", String(sends.headMilliseconds)),
            ("pullThreadPoolQueueSize", String(lanes.pull.count)),
            ("pullThreadPoolQueueCapacity", String(lanes.pull.limits.capacity)),
            ("pullThreadPoolQueueHeadWaitTimeMills", String(lanes.pull.headWaitMilliseconds)),
            ("queryThreadPoolQueueSize", String(lanes.query.count)),
            ("queryThreadPoolQueueCapacity", String(lanes.query.limits.capacity)),
            ("queryThreadPoolQueueHeadWaitTimeMills", String(lanes.query.headWaitMilliseconds)),
            ("EndTransactionQueueSize", String(lanes.transaction.count)),
            ("EndTransactionThreadPoolQueueCapacity", String(lanes.transaction.limits.capacity)),
        ]
    }

    private var space: [(String, String)] {
        guard let space = context.store.space else { return [] }
        let used = space.totalBytes > 0 ? Double(space.totalBytes - space.freeBytes) / Double(space.totalBytes) : 0
        return [
            ("commitLogDirCapacity", "Total : \(space.totalBytes) B, Free : \(space.freeBytes) B."),
            ("commitLogDiskRatio", "\(used)"), ("consumeQueueDiskRatio", "\(used)"),
        ]
    }

    /// As RocketMQ writes it.
    static func span(_ milliseconds: Int64) -> String {
        let seconds = max(0, milliseconds) / 1000
        return "[ \(seconds / 86400) days, \(seconds / 3600 % 24) hours, \(seconds / 60 % 60) minutes, "
            + "\(seconds % 60) seconds ]"
    }
}
