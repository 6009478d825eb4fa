import Glibc
import MQStore
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization

/// Requests about places: consumers' offsets (14, 15), ends of queues (29–32), one message (33).
struct OffsetProcessor: Sendable {
    let context: BrokerContext

    /// Beyond this share of the machine's memory, old messages count as being on the disk only
    /// (RocketMQ's `accessMessageInMemoryMaxRatio`).
    private static let memoryPercent: Int64 = 40

    func queryOffset(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: QueryConsumerOffsetRequestHeader = try request.header()
        let key = QueueKey(topic: header.topic, queueID: header.queueID)
        if let offset = context.offsets.withLock({ $0.offset(group: header.consumerGroup, queue: key) }) {
            return reply.send(request.response(.success, OffsetResponseHeader(offset: offset)))
        }
        // A new group of a queue that is whole and not old begins at its first message; else the client decides.
        context.answer(reply, on: context.lanes.consumer) { [context] in
            let isWhole = context.store.minimumOffset(of: key) <= 0
            let first = try context.store.entries(of: key, from: 0, count: 1).first
            let age = first.map { context.store.maximumLogOffset - $0.logOffset } ?? 0
            let memory = Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE)))
            if isWhole && age <= memory / 100 * Self.memoryPercent {
                return request.response(.success, OffsetResponseHeader(offset: 0))
            }
            return request.response(.queryNotFound, remark: "the group \(header.consumerGroup) never committed")
        }
    }

    func updateOffset(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: UpdateConsumerOffsetRequestHeader = try request.header()
        let key = QueueKey(topic: header.topic, queueID: header.queueID)
        if let refusal = context.commit(header.commitOffset, group: header.consumerGroup, queue: key) {
            return reply.send(refusal.code, remark: refusal.remark)
        }
        reply.send(.success)
    }

    func maximumOffset(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: QueueRequestHeader = try request.header()
        let offset = context.store.maximumOffset(of: QueueKey(topic: header.topic, queueID: header.queueID))
        reply.send(request.response(.success, OffsetResponseHeader(offset: offset)))
    }

    func minimumOffset(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: QueueRequestHeader = try request.header()
        let offset = context.store.minimumOffset(of: QueueKey(topic: header.topic, queueID: header.queueID))
        reply.send(request.response(.success, OffsetResponseHeader(offset: offset)))
    }

    func searchOffset(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: SearchOffsetRequestHeader = try request.header()
        context.answer(reply, on: context.lanes.consumer) { [context] in
            let offset = try context.store.offset(
                of: QueueKey(topic: header.topic, queueID: header.queueID), nearestTo: header.timestamp)
            return request.response(.success, OffsetResponseHeader(offset: offset))
        }
    }

    func earliestStoreTime(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: QueueRequestHeader = try request.header()
        let key = QueueKey(topic: header.topic, queueID: header.queueID)
        context.answer(reply, on: context.lanes.consumer) { [context] in
            let time = try context.store.storeTimestamp(of: key, at: context.store.minimumOffset(of: key))
            return request.response(.success, EarliestStoreTimeResponseHeader(timestamp: time ?? -1))
        }
    }

    /// The most messages that one query by key answers with, as in RocketMQ.
    private static let keyQueryLimit: Int32 = 64
    /// How many a query by unique id asks for, whatever it says, as in RocketMQ.
    private static let uniqueQueryLimit: Int32 = 32
    /// The most bytes that one query answers with; one message is given even when it is larger.
    private static let queryBytes = 4 << 20

    /// The messages of a topic that have a key, oldest first.
    func queryMessages(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: QueryMessageRequestHeader = try request.header()
        let limit = header.isUniqueKey ? Self.uniqueQueryLimit : min(header.maxMessages, Self.keyQueryLimit)
        context.answer(reply, on: context.lanes.query) { [context] in
            let end = context.store.indexEnd
            let ends = QueryMessageResponseHeader(
                indexLastUpdateTimestamp: end.timestamp, indexLastUpdateOffset: end.logOffset)
            let nothing = request.response(
                .queryNotFound, ends, remark: "can not find message, maybe time range not correct")
            guard limit > 0, header.beginTimestamp <= header.endTimestamp else { return nothing }
            let records = try context.store.records(
                topic: header.topic, key: header.key, within: header.beginTimestamp...header.endTimestamp,
                limit: Int(limit), maximumBytes: Self.queryBytes)
            return records.isEmpty ? nothing : request.response(.success, ends, body: Self.encoded(records))
        }
    }

    /// Records as they stand in the log, one after another.
    static func encoded(_ records: [StoredRecord]) -> ByteBuffer {
        var body = ByteBuffer()
        for record in records {
            record.draft().encode(
                into: &body, queueOffset: record.queueOffset, logOffset: record.logOffset,
                storeTimestamp: record.storeTimestamp)
        }
        return body
    }

    func viewMessage(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: ViewMessageRequestHeader = try request.header()
        context.answer(reply, on: context.lanes.query) { [context] in
            switch try context.store.look(atLogOffset: header.offset) {
            case .sound(let record): return request.response(.success, body: Self.encoded([record]))
            case .damaged:
                return request.response(
                    .systemError,
                    remark: "the message at log offset \(header.offset) is damaged, and kept from readers")
            case .none:
                return request.response(.systemError, remark: "no message begins at log offset \(header.offset)")
            }
        }
    }
}
