import Logging
import MQStore
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization

/// Request 37 and the check-back: what becomes of half messages.
///
/// 1. A half message is stored in the half topic, its real place in its properties (``MessageIntake``).
/// 2. The producer ends the transaction: a commit stores the message in its real place and, in the same append, an op
///    entry that names the half; a rollback stores the op entry alone.
/// 3. Who does not is asked: each period the open ones that are old enough are sent to a producer of the group, which
///    answers with 2. After the last question in vain the message goes to a topic of its own.
///
/// Layout and names are RocketMQ's, except that it stores a half anew with each question; here the count of questions is
/// kept in memory, and begins anew with the broker.
final class TransactionProcessor: Sendable {
    private let context: BrokerContext
    private let table: Mutex<TransactionTable>
    /// Who waits for an end that is being stored, by the half's offset: its producer, and whoever repeats the end meanwhile.
    ///
    /// Taken before ``table`` where both are.
    private let waiting = Mutex<[Int64: [Answer]]>([:])
    private let turn = Atomic(0)

    private static let halfKey = QueueKey(topic: SystemTopic.half, queueID: 0)
    private static let opKey = QueueKey(topic: SystemTopic.operations, queueID: 0)
    private typealias Answer = @Sendable (Result<ResponseCode, StoreError>) -> Void

    /// How often an end that is being stored may be repeated; a client repeats it with each question at most.
    private static let repeatLimit = 64
    /// Entries read with one look at a queue.
    private static let batch = 256
    /// The tag of an op entry that ends a transaction.
    private static let endTag = "d"

    init(context: BrokerContext) {
        self.context = context
        let (half, op) = context.offsets.withLock {
            (
                $0.offset(group: SystemTopic.transactionGroup, queue: Self.halfKey),
                $0.offset(group: SystemTopic.transactionGroup, queue: Self.opKey)
            )
        }
        table = Mutex(TransactionTable(nextHalf: half ?? 0, nextOp: op ?? 0))
    }

    /// How many transactions are open, as far as they are known.
    var openCount: Int { table.withLock { $0.open.count } }

    // MARK: 2. The producer's word

    func end(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: EndTransactionRequestHeader = try request.header()
        let verdict = SysFlag(rawValue: header.commitOrRollback)
        // Undecided: the next question asks again.
        guard verdict == .transactionCommit || verdict == .transactionRollback else { return reply.send(.success) }
        context.run(context.lanes.transaction, reply) { [self] in
            do throws(StoreError) {
                guard let half = try context.store.record(atLogOffset: header.commitLogOffset) else {
                    return reply.send(.systemError, remark: "Find prepared transaction message failed")
                }
                if let objection = Self.objection(to: header, half: half) {
                    return reply.send(.systemError, remark: objection)
                }
                switch begin(half.queueOffset, { StoreAnswers.answer(reply, $0) }) {
                case .begun: finish(half, commits: verdict == .transactionCommit)
                case .joined: break
                case .crowded: reply.send(.systemBusy, remark: "this transaction's end is being stored")
                case .over: reply.send(.success)
                }
            } catch {
                reply.send(.systemError, remark: "\(error)")
            }
        }
    }

    /// Why a producer may not end this transaction; `nil` when it may.
    static func objection(to header: EndTransactionRequestHeader, half: StoredRecord) -> String? {
        if half.topic != SystemTopic.half { return "there is no half message at \(header.commitLogOffset)" }
        if half.properties[PropertyName.producerGroup] != header.producerGroup { return "The producer group wrong" }
        if half.queueOffset != header.tranStateTableOffset { return "The transaction state table offset wrong" }
        return nil
    }

    /// What an end meets.
    private enum Beginning {
        /// It is the first: its caller stores it and then calls ``settle(_:_:)``.
        case begun
        /// Another is being stored; what becomes of it is the answer to this one, too.
        case joined
        /// As ``joined``, but too many wait for it.
        case crowded
        /// Another was stored.
        case over
    }

    private func begin(_ offset: Int64, _ answer: @escaping Answer) -> Beginning {
        waiting.withLock { waiting in
            if let others = waiting[offset] {
                guard others.count <= Self.repeatLimit else { return .crowded }
                waiting[offset]?.append(answer)
                return .joined
            }
            guard table.withLock({ $0.begin(offset) }) else { return .over }
            waiting[offset] = [answer]
            return .begun
        }
    }

    /// An end is stored, and kept as well as it is promised, or it failed and the transaction is open as before.
    private func settle(_ offset: Int64, _ result: Result<ResponseCode, StoreError>) {
        table.withLock { table in
            if case .failure = result { table.abort(offset) } else { table.settle(offset) }
        }
        for answer in waiting.withLock({ $0.removeValue(forKey: offset) }) ?? [] { answer(result) }
    }

    private func finish(_ half: StoredRecord, commits: Bool) {
        var drafts: [RecordDraft] = []
        if commits {
            guard let message = MessageIntake.committed(half) else {
                let error = StoreError(.illegalMessage, message: "the half message has no real topic")
                return settle(half.queueOffset, .failure(error))
            }
            drafts.append(message)
        }
        drafts.append(endEntry(of: half))
        context.withTopics([(SystemTopic.operations, 1)]) { [self, drafts] _ in
            context.store(drafts) { [self] in settle(half.queueOffset, $0) }
        }
    }

    private func endEntry(of half: StoredRecord) -> RecordDraft {
        var draft = half.draft()
        draft.topic = SystemTopic.operations
        draft.queueID = 0
        draft.sysFlag = []
        draft.storeHost = context.storeHost.withLock { $0 }
        draft.body = ByteBuffer(string: String(half.queueOffset))
        draft.properties = ByteBuffer(
            string: MessageProperties(dictionaryLiteral: (PropertyName.tags, Self.endTag)).text)
        return draft
    }

    // MARK: 3. Questions

    /// Reads on in both queues and asks what is due. Blocks on the disk; one call at a time.
    func check() {
        do {
            // Whoever has ended must not be asked: not before all ends are known.
            guard try readOn() else { return }
            let limit = context.live.withLock { $0.transactionCheckLimit }
            let due = table.withLock {
                $0.due(
                    now: context.now(), periodMilliseconds: context.configuration.transactionCheckInterval.milliseconds,
                    checkLimit: limit)
            }
            for item in due { try ask(item) }
            let saved = table.withLock { $0.savedOffsets }
            context.offsets.withLock {
                $0.commit(group: SystemTopic.transactionGroup, queue: Self.halfKey, offset: saved.half)
                $0.commit(group: SystemTopic.transactionGroup, queue: Self.opKey, offset: saved.op)
            }
        } catch {
            context.logger.error("transactions could not be checked", metadata: ["error": "\(error)"])
        }
    }

    /// First the halves, then the ends: of whatever half is known, its end is known too if it was there. `false` when there
    /// are more ends than can be kept in mind.
    private func readOn() throws -> Bool {
        while true {
            let first = context.store.minimumOffset(of: Self.halfKey)
            let next = table.withLock { table in
                table.skipHalves(before: first)
                return table.nextHalf
            }
            let entries = try context.store.entries(of: Self.halfKey, from: next, count: Self.batch)
            if entries.isEmpty || table.withLock({ $0.isFull }) { break }
            for (index, entry) in entries.enumerated() {
                let record = try context.store.record(of: entry, in: Self.halfKey, at: next + Int64(index))
                let found = record.map { half(of: $0) }
                table.withLock { $0.sawHalf(found) }
            }
        }
        while true {
            let first = context.store.minimumOffset(of: Self.opKey)
            let next = table.withLock { table in
                table.skipEnds(before: first)
                return table.nextOp
            }
            let entries = try context.store.entries(of: Self.opKey, from: next, count: Self.batch)
            if entries.isEmpty { return true }
            guard table.withLock({ $0.mayReadEnds }) else { return false }
            for (index, entry) in entries.enumerated() {
                let body = try context.store.record(of: entry, in: Self.opKey, at: next + Int64(index))?.body
                table.withLock { $0.sawOp(endOf: body.flatMap { Int64(String(buffer: $0)) }) }
            }
        }
    }

    private func half(of record: StoredRecord) -> TransactionTable.Half {
        let properties = record.properties
        var wait = context.live.withLock { $0.transactionTimeout }.milliseconds
        if let text = properties[PropertyName.checkImmunitySeconds], let seconds = Int64(text) {
            wait = min(max(seconds, 0), Self.longestImmunitySeconds) * 1000
        }
        // A store of Apache's counts in the message.
        let checks = properties[PropertyName.transactionCheckTimes].flatMap { Int($0) }
        return TransactionTable.Half(
            logOffset: record.logOffset, producerGroup: properties[PropertyName.producerGroup] ?? "",
            nextCheck: record.storeTimestamp + wait, checks: checks ?? 0)
    }

    /// A sender may ask for any immunity; a day is more than a transaction needs.
    private static let longestImmunitySeconds: Int64 = 86_400

    private func ask(_ due: TransactionTable.Due) throws(StoreError) {
        guard let record = try context.store.record(atLogOffset: due.half.logOffset) else { return }
        if due.isExhausted { return giveUp(record) }
        let producers = producers(of: due.half.producerGroup)
        guard !producers.isEmpty else {
            context.logger.debug(
                "nobody to ask about a transaction", metadata: ["group": "\(due.half.producerGroup)"])
            return
        }
        var properties = record.properties
        // A producer may answer by how often it was asked.
        properties[PropertyName.transactionCheckTimes] = String(due.half.checks + 1)
        let header = CheckTransactionStateRequestHeader(
            tranStateTableOffset: due.offset, commitLogOffset: record.logOffset,
            messageID: properties[PropertyName.uniqueKey], transactionID: properties[PropertyName.uniqueKey],
            offsetMessageID: record.offsetMessageID.description)
        var shown = record.draft()
        shown.topic = properties[PropertyName.realTopic] ?? record.topic
        shown.queueID = properties[PropertyName.realQueueID].flatMap { Int32($0) } ?? 0
        shown.properties = ByteBuffer(string: properties.text)
        var body = ByteBuffer()
        shown.encode(
            into: &body, queueOffset: record.queueOffset, logOffset: record.logOffset,
            storeTimestamp: record.storeTimestamp)
        let question = RemotingCommand.request(.checkTransactionState, header, body: body)
        // The next one when the first does not even read; when none does, it was no question.
        guard !producers.contains(where: { $0.notify(question) }) else { return }
        table.withLock { $0.notAsked(due.offset) }
        context.logger.debug("no producer reads", metadata: ["group": "\(due.half.producerGroup)"])
    }

    /// A group's producers, each of them the first in turn: one that cannot answer must not be the only one asked.
    private func producers(of group: String) -> [RemotingConnection] {
        let members = context.clients.withLock { $0.producers[group]?.keys.sorted() ?? [] }
        let connections = context.connections.withLock { all in members.compactMap { all[$0] } }
        guard !connections.isEmpty else { return [] }
        let first = turn.wrappingAdd(1, ordering: .relaxed).oldValue % connections.count
        return Array(connections[first...] + connections[..<first])
    }

    /// Nobody answered: the message is kept where an operator finds it, and its transaction ends.
    private func giveUp(_ half: StoredRecord) {
        guard case .begun = begin(half.queueOffset, { _ in }) else { return }
        context.logger.warning(
            "a transaction was given up: nobody answered", metadata: ["logOffset": "\(half.logOffset)"])
        var kept = half.draft()
        kept.topic = SystemTopic.unanswered
        kept.queueID = 0
        kept.sysFlag = kept.sysFlag.subtracting(.transactionRollback)
        kept.storeHost = context.storeHost.withLock { $0 }
        context.withTopics([(SystemTopic.unanswered, 1), (SystemTopic.operations, 1)]) { [self, kept] _ in
            context.store([kept, endEntry(of: half)]) { [self] in settle(half.queueOffset, $0) }
        }
    }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
