import CoreMetrics
import Logging
import MQStore
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization

/// Request 11: reads messages of a queue, or holds the request until there are some.
///
/// 1. The request is checked on the event loop.
/// 2. A disk thread reads. When there is nothing yet and the client allows it, the request is held, and the queue is
///    looked at once more: a message that came between reading and holding must not be missed.
/// 3. The writer's thread tells of new messages (``arrived(_:)``); who waits for one of them reads again, as in 2, but is
///    not held a second time. Time is up after what the client asked for: the request reads a last time.
final class PullProcessor: Sendable {
    private let context: BrokerContext
    private let held = Mutex(Holding())
    private let filters = Mutex(FilterCache())

    private struct Holding {
        var pulls = HeldPulls<Pull>()
        /// Once the broker stops, nothing is held any more.
        var isStopped = false
    }

    /// A checked request.
    struct Pull: Sendable {
        var header: PullMessageRequestHeader
        var filter: MessageFilter
        /// When it is answered with nothing at the latest; known once it was held.
        var deadline: Int64?
        var group: SubscriptionGroup
        var connection: UInt64
        var reply: RemotingReply
        var key: QueueKey { QueueKey(topic: header.topic, queueID: header.queueID) }
    }

    init(context: BrokerContext) { self.context = context }

    // MARK: 1. Checking

    func handle(_ request: RemotingCommand, from connection: RemotingConnection, reply: RemotingReply) throws {
        let header: PullMessageRequestHeader = try request.header()
        guard context.live.withLock({ $0.permission.contains(.read) }) else {
            return reply.send(
                .noPermission, remark: "the broker[\(context.configuration.brokerName)] pulling message is forbidden")
        }
        guard let topic = context.topics.withLock({ $0[header.topic] }) else {
            return reply.send(.topicNotExist, remark: "topic[\(header.topic)] not exist, apply first please!")
        }
        let time = context.now()
        let group = context.groups.withLock { $0.ensure(header.consumerGroup, nowMilliseconds: time) }
        guard group.consumeEnabled else {
            return reply.send(.noPermission, remark: "consumer group \(header.consumerGroup) may not consume")
        }
        guard topic.permission.contains(.read) else {
            return reply.send(.noPermission, remark: "the topic[\(header.topic)] may not be read")
        }
        guard header.queueID >= 0, header.queueID < topic.readQueueNums else {
            return reply.send(
                .systemError,
                remark: "queue \(header.queueID) of \(header.topic) is illegal, it has \(topic.readQueueNums) to read")
        }
        let wanted: (expression: String?, type: String?)
        if header.hasSubscription {
            wanted = (header.subscription, header.expressionType)
        } else {
            let known = context.clients.withLock {
                $0.subscription(group: header.consumerGroup, topic: header.topic)
            }
            guard let known else {
                return reply.send(
                    .subscriptionNotExist, remark: "the consumer's subscription not exist: \(header.consumerGroup)")
            }
            guard group.broadcastEnabled || !context.clients.withLock({ $0.isBroadcasting(header.consumerGroup) })
            else {
                return reply.send(
                    .noPermission,
                    remark: "the consumer group[\(header.consumerGroup)] can not consume by broadcast way")
            }
            // The consumer wants something else by now, and its heartbeat is on the way: what the old filter would pass
            // over would never come.
            guard known.version >= header.subscriptionVersion else {
                return reply.send(.subscriptionNotLatest, remark: "the consumer's subscription not latest")
            }
            wanted = (known.expression, known.expressionType)
        }
        let filter: MessageFilter
        do throws(MessageFilter.Objection) {
            filter = try compiled(wanted.expression, wanted.type)
        } catch {
            return reply.send(error.code, remark: error.remark)
        }
        let pull = Pull(header: header, filter: filter, group: group, connection: connection.id, reply: reply)
        if header.commitsOffset, !context.replication.isSlave {
            // A wrong offset is not the pull's fault: it is answered, and the offset left as it was.
            _ = context.commit(header.commitOffset, group: header.consumerGroup, queue: pull.key)
        }
        read(pull, mayHold: header.allowsHold)
    }

    /// The filter of a subscription, compiled once.
    private func compiled(_ expression: String?, _ type: String?) throws(MessageFilter.Objection) -> MessageFilter {
        // What nearly every consumer wants needs neither the cache nor its lock.
        if type == nil || type == "TAG", expression == nil || expression == "*" { return .tags(.all) }
        let allowsProperties = context.configuration.filtersByProperties
        guard type == "SQL92", allowsProperties, let expression else {
            return try MessageFilter(expression: expression, type: type, allowsProperties: allowsProperties)
        }
        if let known = filters.withLock({ $0[expression] }) { return known }
        // Without the lock: one client's long expression must not hold up the pulls of others.
        let made = try MessageFilter(expression: expression, type: type)
        filters.withLock { $0.keep(made, of: expression) }
        return made
    }

    // MARK: 2. Reading

    private func read(_ pull: Pull, mayHold: Bool) {
        context.run(context.lanes.pull, pull.reply) { [self] in
            var request = QueueRequest(
                key: pull.key, offset: pull.header.queueOffset, maximumCount: Int(pull.header.maxMessages),
                isWanted: { pull.filter.mayWant($0) }, wantsProperties: pull.filter.wantsProperties)
            request.maximumLooks = pull.filter.looksPerPull
            do throws(StoreError) {
                let start = MonotonicClock.nanoseconds()
                let reading = try context.store.read(request)
                context.metrics.getLatency.recordNanoseconds(MonotonicClock.nanoseconds() - start)
                if !reading.damagedLogOffsets.isEmpty {
                    context.logger.error(
                        "damaged messages are passed over",
                        metadata: ["queue": "\(pull.key)", "logOffsets": "\(reading.damagedLogOffsets)"])
                }
                if mayHold, waits(pull, reading) {
                    hold(pull, reading: reading)
                } else if reading.status == .noMatch, let deadline = pull.deadline, context.uptime() < deadline {
                    // What woke it had other properties than it wants: it waits on, behind that.
                    var later = pull
                    later.header.queueOffset = reading.nextOffset
                    hold(later, reading: reading)
                } else {
                    answer(pull, with: reading)
                }
            } catch {
                pull.reply.send(.systemError, remark: "\(error)")
            }
        }
    }

    /// Whether there is nothing to say yet: the message is still to come, or to come to this slave.
    private func waits(_ pull: Pull, _ reading: QueueReading) -> Bool {
        let code = Self.code(of: reading.status, offset: pull.header.queueOffset)
        return code == .pullNotFound || (isBehind(code) && reading.status != .beforeBeginning)
    }

    /// A slave that lacks what its master told a consumer is behind, and the consumer is not wrong.
    private func isBehind(_ code: ResponseCode) -> Bool { context.replication.isSlave && code == .pullOffsetMoved }

    /// The longest that a pull is held, whatever its client asks for; RocketMQ's own ask for 15 to 30 s.
    private static let longestHoldMilliseconds: Int64 = 300_000

    private func hold(_ pull: Pull, reading: QueueReading) {
        let live = context.live.withLock { $0 }
        let asked = min(max(pull.header.suspendTimeoutMilliseconds, 0), Self.longestHoldMilliseconds)
        let limit =
            live.longPolling ? asked : live.shortPolling.milliseconds
        let deadline = pull.deadline ?? context.uptime() + limit
        var pull = pull
        pull.deadline = deadline
        let waiting = HeldPulls<Pull>.Held(
            request: pull, connection: pull.connection, offset: pull.header.queueOffset, filter: pull.filter,
            deadline: deadline)
        guard held.withLock({ !$0.isStopped && $0.pulls.hold(waiting, on: pull.key) }) else {
            return answer(pull, with: reading)
        }
        let maximum = context.store.maximumOffset(of: pull.key)
        if maximum > pull.header.queueOffset {
            // Whatever came meanwhile is offered as if it had come now; the filter looks at it when it is read.
            if let codes = tagCodes(pull, to: maximum) {
                arrived([QueueArrival(key: pull.key, maximumOffset: maximum, tagCodes: codes)])
            } else {
                // More than can be looked at here, or not readable: whoever waits looks for itself.
                for waiter in held.withLock({ $0.pulls.takeAll(of: pull.key) }) { read(waiter.request, mayHold: false) }
            }
        }
    }

    /// The filter codes of what came meanwhile; `nil` when they are too many, or cannot be read.
    private func tagCodes(_ pull: Pull, to maximum: Int64) -> [Int64]? {
        let offset = pull.header.queueOffset
        let count = Int(maximum - offset)
        guard count <= QueueRequest.countLimit,
            let entries = try? context.store.entries(of: pull.key, from: offset, count: count), entries.count == count
        else { return nil }
        return entries.map(\.tagCode)
    }

    // MARK: 3. Waking

    /// Wakes who waits for these messages; called on the store's writer thread.
    func arrived(_ arrivals: [QueueArrival]) {
        let woken = held.withLock { held in arrivals.flatMap { held.pulls.wake($0) } }
        for pull in woken { read(pull.request, mayHold: false) }
    }

    /// Answers those whose time is up.
    func expire() {
        for pull in held.withLock({ $0.pulls.expire(nowMilliseconds: context.uptime()) }) {
            read(pull.request, mayHold: false)
        }
    }

    /// How many pulls wait for a message.
    var heldCount: Int { held.withLock { $0.pulls.count } }

    /// Forgets the pulls of a connection.
    func connectionClosed(_ connection: UInt64) {
        let dropped = held.withLock { $0.pulls.connectionClosed(connection) }
        // Each answers for itself when it goes: not while the lock is held.
        withExtendedLifetime(dropped) {}
    }

    /// Answers all who wait, because the broker stops.
    func stop() {
        let released = held.withLock { held in
            held.isStopped = true
            return held.pulls.drain()
        }
        for pull in released {
            pull.request.reply.send(.pullNotFound, remark: "the broker is stopping")
        }
    }

    // MARK: Answering

    /// RocketMQ's code for what was found.
    static func code(of status: QueueReading.Status, offset: Int64) -> ResponseCode {
        switch status {
        case .found: .success
        case .noMatch: .pullRetryImmediately
        case .atEnd: .pullNotFound
        case .noQueue, .empty: offset == 0 ? .pullNotFound : .pullOffsetMoved
        case .beyondEnd, .beforeBeginning: .pullOffsetMoved
        }
    }

    private static func remark(_ status: QueueReading.Status) -> String {
        switch status {
        case .found: "FOUND"
        case .noMatch: "NO_MATCHED_MESSAGE"
        case .atEnd: "OFFSET_OVERFLOW_ONE"
        case .beyondEnd: "OFFSET_OVERFLOW_BADLY"
        case .beforeBeginning: "OFFSET_TOO_SMALL"
        case .noQueue: "NO_MATCHED_LOGIC_QUEUE"
        case .empty: "NO_MESSAGE_IN_QUEUE"
        }
    }

    /// The broker to read from next: the slave for whoever wants messages that this machine's memory may not have.
    private func suggestion(for pull: Pull, _ reading: QueueReading) -> Int64 {
        guard context.configuration.slaveReads else { return 0 }
        guard let last = reading.lastLogOffset,
            context.store.maximumLogOffset - last > Self.memoryBytes / 100 * context.configuration.memoryPercent
        else { return pull.group.brokerID }
        return pull.group.slowConsumptionBrokerID
    }

    private static let memoryBytes = KernelFigures.memory["MemTotal"].map { Int64($0) } ?? .max

    private func answer(_ pull: Pull, with reading: QueueReading) {
        var (code, next) = (Self.code(of: reading.status, offset: pull.header.queueOffset), reading.nextOffset)
        // RocketMQ's `offsetCheckInSlave`, which is off by default: a consumer that was set back to where a slave is would
        // get again what its master has given it.
        if isBehind(code) { (code, next) = (.pullRetryImmediately, pull.header.queueOffset) }
        if reading.count > 0 {
            context.countGets(
                pull.header.topic, group: pull.header.consumerGroup, messages: reading.count,
                bytes: reading.body.readableBytes)
        } else {
            context.metrics.getMisses.increment()
        }
        let header = PullMessageResponseHeader(
            suggestedBrokerID: suggestion(for: pull, reading), nextBeginOffset: next,
            minOffset: reading.minimumOffset, maxOffset: reading.maximumOffset)
        pull.reply.send(
            RemotingCommand(
                code: code.rawValue, remark: Self.remark(reading.status), extFields: header.fields,
                body: reading.count > 0 ? reading.body : nil))
    }
}
