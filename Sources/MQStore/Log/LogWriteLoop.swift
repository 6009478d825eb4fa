import MQWire
import NIOCore
import Synchronization

/// What the writer's thread does with a batch: place, encode, write, index, publish, answer.
///
/// Owned by that thread alone, hence not `Sendable`. A piece of the batch that lies in one segment is a *run*; it is
/// written with one call, and becomes visible as a whole or not at all:
///
/// 1. the run's records are written to the log,
/// 2. its entries are written to the consume queues, behind what readers see,
/// 3. only then the queues' ends move, and listeners hear of it.
///
/// When 1 or 2 fails, the offsets are given back, the run's bytes are zeroed durably so that no recovery takes any of it
/// for stored, and every append with a record in it fails. What cannot be zeroed must not be written over either: it
/// stays as *remains*, and is zeroed before anything else is written. Only when the sync of the zeros fails the store
/// refuses writes until it was recovered.
final class LogWriteLoop {
    let configuration: StoreConfiguration
    let log: SegmentChain
    let queues: QueueTable
    let progress: StoreProgress
    let flusher: LogFlusher
    private let now: @Sendable () -> Int64
    private let arrivals: @Sendable ([QueueArrival]) -> Void
    // Four fields that every record touches: asking each time whether two touch one at once costs as much as the work, and
    // nothing that they call comes back here.
    @exclusivity(unchecked) var assigner: OffsetAssigner
    var lastTimestamp: Int64
    private(set) var deleted: DeletedTopicsFile
    private let onUnsafe: @Sendable (StoreError) -> Void
    private let meters: StoreMeters
    /// The error for which nothing is written any more.
    private(set) var refusal: StoreError?

    @exclusivity(unchecked) var staging = ByteBuffer()
    @exclusivity(unchecked) var run: Run
    /// Which numbers the records of a master's log get here.
    var places: CopiedPlaces
    /// The batch's appends all of whose records are placed, and how many of them are published: the others are the run's.
    @exclusivity(unchecked) private var finished: [LogFlusher.Waiter] = []
    private var publishedAppends = 0
    /// The topic that the last record was found to have: the next one mostly has it, too.
    private var checkedTopic = ""
    /// What a failed write may have left in the files.
    private var remains: Remains?

    /// A run of so many bytes is written before the next append is placed; an append is not split for it.
    static let usualRunBytes = 256 << 10
    /// The bytes written with one call at most.
    static let runBytes = 4 << 20
    /// A staging buffer that grew beyond this is given back after the batch.
    static let keptStagingBytes = 1 << 20

    /// Records gathered for one write.
    struct Run {
        var start: Int64
        var queues: [QueuePart] = []
        /// Where in ``queues`` a queue's part is.
        var indices: [QueueKey: Int] = [:]
        /// Pieces of a master's log that end in it.
        var copied: [ReplicaPiece] = []

        /// Of so few queues one is looked for by comparing: hashing a topic's name costs more.
        static let fewQueues = 8

        /// Where the queue's part is, if the run has one.
        func index(topic: String, queueID: Int32) -> Int? {
            guard queues.count <= Self.fewQueues else { return indices[QueueKey(topic: topic, queueID: queueID)] }
            for index in queues.indices {
                let key = queues[index].queue.key
                if key.queueID == queueID, key.topic == topic { return index }
            }
            return nil
        }
    }

    /// What is to be zeroed before the next write.
    private struct Remains {
        var log: Range<Int64>
        var queues: [(queue: ConsumeQueue, start: Int64, count: Int)]
        /// Whether zeros were written into the log that no sync has covered.
        var isDirty = false
    }

    /// The entries of one queue in a run.
    struct QueuePart {
        var queue: ConsumeQueue
        var start: Int64
        /// What stands for the queue in the assigner.
        var slot: Int
        var entries = ByteBuffer()
        var tagCodes: [Int64] = []

        mutating func add(_ entry: QueueEntry) {
            entry.write(to: &entries)
            tagCodes.append(entry.tagCode)
        }
    }

    init(
        configuration: StoreConfiguration, log: SegmentChain, queues: QueueTable, progress: StoreProgress,
        flusher: LogFlusher, assigner: OffsetAssigner, lastTimestamp: Int64, now: @escaping @Sendable () -> Int64,
        deleted: DeletedTopicsFile, places: CopiedPlaces, arrivals: @escaping @Sendable ([QueueArrival]) -> Void,
        meters: StoreMeters, onUnsafe: @escaping @Sendable (StoreError) -> Void
    ) {
        self.places = places
        self.deleted = deleted
        self.meters = meters
        self.onUnsafe = onUnsafe
        self.configuration = configuration
        self.log = log
        self.queues = queues
        self.progress = progress
        self.flusher = flusher
        self.assigner = assigner
        self.lastTimestamp = lastTimestamp
        self.now = now
        self.arrivals = arrivals
        run = Run(start: assigner.logOffset)
        progress.setDeletedTopics(deleted.table.offsets)
        tellDoubts()
    }

    /// Writes a batch and sees to its answers.
    func write(_ batch: [Append]) {
        guard !batch.isEmpty else { return }
        // Never backwards: searches by time halve a queue.
        lastTimestamp = max(lastTimestamp, now(), RecordLayout.earliestStoreTimestamp)
        for append in batch {
            // What was just encoded is still in the processor's cache: larger pieces are read from memory again.
            if staging.readableBytes >= Self.usualRunBytes { _ = commit() }
            if let refusal { append.completion(.refused(refusal)) } else { place(append) }
        }
        _ = commit()
        flusher.add(
            finished,
            // Of what was written: the checkpoint must not vouch for a message that was refused.
            writtenTo: progress.writtenOffset, timestamp: progress.lastTimestamp)
        finished.removeAll(keepingCapacity: true)
        publishedAppends = 0
        if staging.capacity > Self.keptStagingBytes { staging = ByteBuffer() }
    }

    /// Answers an append that failed; one of which a part is visible already may not be called not stored.
    private func fail(_ append: Append, _ receipt: AppendReceipt, with error: StoreError) {
        var error = error
        if receipt.logOffsets.contains(where: { $0 < run.start }) {
            error = StoreError(
                .uncertain, path: error.path, message: "a part of the batch is stored, and then: \(error.message)",
                cause: error.cause)
        }
        append.completion(.refused(error))
    }

    /// Forgets a topic's queues; first notes durably that its records up to here are dead.
    func delete(topic: String) -> StoreError? {
        places.forget(topic: topic)
        return delete(topic: topic, before: assigner.logOffset)
    }

    /// The same for the records before an offset, of which none is in a queue's run.
    func delete(topic: String, before logEnd: Int64) -> StoreError? {
        do throws(StoreError) {
            // What is forgotten must be gone for good: a power cut could bring the queues' files back.
            if deleted.forgetsAny(logStart: log.durableStart) { try queues.syncNames() }
            try deleted.delete(topic, logStart: log.durableStart, logEnd: logEnd)
            progress.setDeletedTopics(deleted.table.offsets)
            assigner.forget(topic: topic)
            try queues.remove(topic: topic)
            return nil
        } catch { return error }
    }

    private func place(_ append: Append) {
        var receipt = AppendReceipt(logOffsets: [], queueOffset: 0, storeTimestamp: lastTimestamp)
        do throws(StoreError) {
            if append.drafts.count == 1 {
                let draft = append.drafts[0]
                try check(draft)
                let placement = try place(draft)
                receipt.logOffsets.append(placement.logOffset)
                receipt.queueOffset = placement.queueOffset
            } else {
                try placeAll(of: append, &receipt)
            }
        } catch {
            // Parts of a batch that are already visible stay; the answer is an error, so the sender may send again.
            note(error)
            fail(append, receipt, with: error)
            return
        }
        finished.append(LogFlusher.Waiter(append: append, receipt: receipt))
    }

    private func placeAll(of append: Append, _ receipt: inout AppendReceipt) throws(StoreError) {
        for draft in append.drafts { try check(draft) }
        // All of their queues before any is placed: what is placed is written, whatever becomes of the rest.
        for draft in append.drafts where Self.isQueued(draft) {
            _ = try openQueue(QueueKey(topic: draft.topic, queueID: draft.queueID))
        }
        for (index, draft) in append.drafts.enumerated() {
            let placement = try place(draft)
            receipt.logOffsets.append(placement.logOffset)
            if index == 0 { receipt.queueOffset = placement.queueOffset }
        }
    }

    private func check(_ draft: RecordDraft) throws(StoreError) {
        let isKnown = draft.topic == checkedTopic
        if let objection = isKnown ? draft.contentObjection : draft.storeObjection { throw objection }
        if !isKnown { checkedTopic = draft.topic }
        guard Int64(draft.encodedSize) <= assigner.maximumRecordBytes else {
            throw StoreError(
                .illegalMessage,
                message: "a record of \(draft.encodedSize) bytes exceeds the segment of "
                    + "\(assigner.segmentBytes) bytes")
        }
        // Recovery tells lost sectors from written ones by this (`LogWalk`).
        guard !LogWalk.hasZero(draft.properties) else {
            throw StoreError(.illegalMessage, message: "the properties must not hold a zero byte")
        }
    }

    private func place(_ draft: RecordDraft) throws(StoreError) -> OffsetAssigner.Placement {
        let size = draft.encodedSize
        if staging.readableBytes > 0, staging.readableBytes + size > Self.runBytes, let error = commit() { throw error }
        let blankBytes = assigner.blankBytes(before: size)
        if blankBytes > 0 {
            staging.writeMultipleIntegers(Int32(blankBytes), RecordLayout.blankMagic)
            assigner.endSegment(blankBytes: blankBytes)
            if let error = commit() { throw error }
        }
        guard Self.isQueued(draft) else {
            // In the log only, with queue offset 0, as RocketMQ writes them.
            let placement = assigner.place(nil, bytes: size)
            draft.encode(
                into: &staging, queueOffset: 0, logOffset: placement.logOffset, storeTimestamp: lastTimestamp)
            return placement
        }
        return try placeQueued(draft, size: size)
    }

    private static func isQueued(_ draft: RecordDraft) -> Bool {
        let transaction = draft.sysFlag.transaction
        return transaction != .transactionPrepared && transaction != .transactionRollback
    }

    private func placeQueued(_ draft: RecordDraft, size: Int) throws(StoreError) -> OffsetAssigner.Placement {
        // The queue is opened before an offset is taken, so that a failure leaves nothing to give back.
        let part = try part(topic: draft.topic, queueID: draft.queueID)
        let placement = assigner.place(slot: run.queues[part].slot, bytes: size)
        draft.encode(
            into: &staging, queueOffset: placement.queueOffset, logOffset: placement.logOffset,
            storeTimestamp: lastTimestamp)
        let code = QueueEntry.tagCode(
            topic: draft.topic, sysFlag: draft.sysFlag, properties: draft.properties, storeTimestamp: lastTimestamp,
            delayLevelMilliseconds: configuration.delayLevelMilliseconds)
        run.queues[part].add(QueueEntry(logOffset: placement.logOffset, size: Int32(size), tagCode: code))
        return placement
    }

    /// Where the queue's part of the run is; made, and the queue opened, when it has none yet.
    private func part(topic: String, queueID: Int32) throws(StoreError) -> Int {
        if let index = run.index(topic: topic, queueID: queueID) { return index }
        let key = QueueKey(topic: topic, queueID: queueID)
        return beginPart(try queues.makeIfMissing(key), at: assigner.nextQueueOffset(of: key))
    }

    private func beginPart(_ queue: ConsumeQueue, at queueOffset: Int64) -> Int {
        let index = run.queues.count
        run.indices[queue.key] = index
        run.queues.append(QueuePart(queue: queue, start: queueOffset, slot: assigner.slot(of: queue.key)))
        return index
    }

    func openQueue(_ key: QueueKey) throws(StoreError) -> ConsumeQueue {
        if let index = run.index(topic: key.topic, queueID: key.queueID) { return run.queues[index].queue }
        return try queues.makeIfMissing(key)
    }

    /// Puts an entry into the run's part of its queue.
    func add(_ entry: QueueEntry, to queue: ConsumeQueue, at queueOffset: Int64) {
        let known = run.index(topic: queue.key.topic, queueID: queue.key.queueID)
        run.queues[known ?? beginPart(queue, at: queueOffset)].add(entry)
    }

    /// Writes the run and begins the next one; on failure its appends are answered and the error returned.
    func commit() -> StoreError? {
        defer {
            staging.clear()
            run = Run(start: assigner.logOffset)
        }
        guard
            staging.readableBytes > 0 || finished.count > publishedAppends || !run.copied.isEmpty
                || !run.queues.isEmpty
        else { return nil }
        do throws(StoreError) {
            try deleted.settle()
            try eraseRemains()
        } catch {
            // Nothing of this run was written.
            note(error)
            return refuse(error)
        }
        do throws(StoreError) {
            if staging.readableBytes > 0 {
                try StoreMeters.timed(meters.wrote) { () throws(StoreError) in try log.write(staging, at: run.start) }
            }
            for part in run.queues { try part.queue.write(part.entries, at: part.start) }
        } catch {
            return giveBack(error)
        }
        publish()
        return nil
    }

    private func publish() {
        var arrived: [QueueArrival] = []
        arrived.reserveCapacity(run.queues.count)
        for part in run.queues {
            let end = part.start + Int64(part.tagCodes.count)
            part.queue.publish(end)
            arrived.append(QueueArrival(key: part.queue.key, maximumOffset: end, tagCodes: part.tagCodes))
        }
        progress.published(
            writtenOffset: assigner.logOffset, timestamp: lastTimestamp,
            records: arrived.reduce(0) { $0 + $1.tagCodes.count })
        publishedAppends = finished.count
        for piece in run.copied { piece.completion(.success(assigner.logOffset)) }
        if !arrived.isEmpty { arrivals(arrived) }
    }

    /// Lets the broker say that it cannot be written to, when the disk is why.
    private func note(_ error: StoreError) {
        switch error.code {
        case .diskFull, .inputOutput, .unreadable: progress.setTrouble(error)
        case .layout, .broken, .noStore, .closed, .unsafe, .uncertain, .overloaded, .illegalMessage, .locked: break
        }
    }

    /// Takes back what was written of the run, answers its appends, and gives the error that they were answered with.
    private func giveBack(_ failure: StoreError) -> StoreError {
        note(failure)
        remains = Remains(
            log: run.start..<run.start + Int64(staging.readableBytes),
            queues: run.queues.map { ($0.queue, $0.start, $0.tagCodes.count) })
        progress.hasRemains = true
        do throws(StoreError) { try eraseRemains() } catch {
            // It may be found in the log by the next start: whoever sent it must not be told that it is not there.
            return refuse(
                StoreError(
                    .uncertain, path: error.path,
                    message: "\(failure.message) failed, and what it wrote could not be erased", cause: failure.cause))
        }
        return refuse(failure)
    }

    /// Answers the run's appends with the error, and gives their places back.
    private func refuse(_ error: StoreError) -> StoreError {
        for refused in finished[publishedAppends...] { fail(refused.append, refused.receipt, with: error) }
        finished.removeSubrange(publishedAppends...)
        for piece in run.copied { piece.completion(.failure(error)) }
        assigner.rewind(
            logOffset: run.start, queues: run.queues.map { (key: $0.queue.key, offset: $0.start) })
        return error
    }

    /// Zeroes what a failed write left, if one did.
    ///
    /// All of it: the next run begins at the same place, and a whole record of this one behind it would be taken for
    /// stored. Durably: a power cut may mix sectors of both, and a record's sum covers its body alone. Its blocks are
    /// there if anything of the run is; where writing fails for want of space, reading tells that nothing is there.
    private func eraseRemains() throws(StoreError) {
        guard let left = remains else { return }
        if let segment = log.segment(at: left.log.lowerBound) {
            do throws(StoreError) {
                let isChanged = try segment.zero(left.log.lowerBound..<min(left.log.upperBound, segment.endOffset))
                if isChanged { remains?.isDirty = true }
            } catch {
                // Some of it may be zero by now.
                remains?.isDirty = true
                throw error
            }
            if remains?.isDirty == true { try syncZeros(of: segment) }
        }
        for part in left.queues { try part.queue.erase(from: part.start, count: part.count) }
        remains = nil
        progress.hasRemains = false
    }

    /// Brings erased bytes to the disk. When that fails, what the disk holds is unknown for good.
    private func syncZeros(of segment: Segment) throws(StoreError) {
        do throws(StoreError) {
            try flusher.syncing { () throws(StoreError) in try segment.sync() }
        } catch {
            let unsafe = StoreError(
                .unsafe, path: error.path,
                message: "what a failed write left could not be erased; check the disk and restart",
                cause: error.cause)
            refusal = unsafe
            onUnsafe(unsafe)
            throw unsafe
        }
    }
}
