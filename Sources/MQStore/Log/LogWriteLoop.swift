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
/// When 1 or 2 fails, the offsets are given back, the run's first bytes are zeroed so that no recovery takes it for
/// stored, and every append with a record in it fails.
final class LogWriteLoop {
    private let configuration: StoreConfiguration
    private let log: SegmentChain
    private let queues: QueueTable
    private let progress: StoreProgress
    private let flusher: LogFlusher
    private let now: @Sendable () -> Int64
    private let arrivals: @Sendable ([QueueArrival]) -> Void
    private var assigner: OffsetAssigner
    private var lastTimestamp: Int64

    private var staging = ByteBuffer()
    private var run: Run
    private var finished: [Finished] = []

    /// The bytes written with one call at most.
    static let runBytes = 4 << 20
    /// A staging buffer that grew beyond this is given back after the batch.
    static let keptStagingBytes = 1 << 20

    /// Records gathered for one write.
    private struct Run {
        var start: Int64
        var queues: [QueueKey: QueuePart] = [:]
        var completed: [Finished] = []
    }

    /// The entries of one queue in a run.
    private struct QueuePart {
        var queue: ConsumeQueue
        var start: Int64
        var entries = ByteBuffer()
        var tagCodes: [Int64] = []
    }

    /// An append all of whose records are placed.
    private struct Finished {
        var append: Append
        var receipt: AppendReceipt
    }

    init(
        configuration: StoreConfiguration, log: SegmentChain, queues: QueueTable, progress: StoreProgress,
        flusher: LogFlusher, assigner: OffsetAssigner, lastTimestamp: Int64, now: @escaping @Sendable () -> Int64,
        arrivals: @escaping @Sendable ([QueueArrival]) -> Void
    ) {
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
    }

    /// Writes a batch and sees to its answers.
    func write(_ batch: [Append]) {
        guard !batch.isEmpty else { return }
        // Never backwards: searches by time halve a queue.
        lastTimestamp = max(lastTimestamp, now())
        for append in batch { place(append) }
        _ = commit()
        flusher.add(
            finished.map { LogFlusher.Waiter(append: $0.append, receipt: $0.receipt) },
            writtenTo: progress.writtenOffset, timestamp: lastTimestamp)
        finished.removeAll(keepingCapacity: true)
        if staging.capacity > Self.keptStagingBytes { staging = ByteBuffer() }
    }

    /// Forgets a topic's queues.
    func delete(topic: String) -> StoreError? {
        assigner.forget(topic: topic)
        do throws(StoreError) {
            try queues.remove(topic: topic)
            return nil
        } catch { return error }
    }

    private func place(_ append: Append) {
        var receipt = AppendReceipt(logOffsets: [], queueOffset: 0, storeTimestamp: lastTimestamp, flush: .notAwaited)
        receipt.logOffsets.reserveCapacity(append.drafts.count)
        do throws(StoreError) {
            for (index, draft) in append.drafts.enumerated() {
                let placement = try place(draft)
                receipt.logOffsets.append(placement.logOffset)
                if index == 0 { receipt.queueOffset = placement.queueOffset }
            }
        } catch {
            // Parts of a batch that are already visible stay; the answer is an error, so the sender may send again.
            append.completion(.failure(error))
            return
        }
        run.completed.append(Finished(append: append, receipt: receipt))
    }

    private func place(_ draft: RecordDraft) throws(StoreError) -> OffsetAssigner.Placement {
        let size = draft.encodedSize
        guard Int64(size) <= assigner.maximumRecordBytes else {
            throw StoreError(
                .illegalMessage,
                message: "a record of \(size) bytes exceeds the segment of \(assigner.segmentBytes) bytes")
        }
        if staging.readableBytes > 0, staging.readableBytes + size > Self.runBytes, let error = commit() { throw error }
        let blankBytes = assigner.blankBytes(before: size)
        if blankBytes > 0 {
            staging.writeMultipleIntegers(Int32(blankBytes), RecordLayout.blankMagic)
            assigner.endSegment(blankBytes: blankBytes)
            if let error = commit() { throw error }
        }
        let transaction = draft.sysFlag.transaction
        if transaction == .transactionPrepared || transaction == .transactionRollback {
            // In the log only, with queue offset 0, as RocketMQ writes them.
            let placement = assigner.place(nil, bytes: size)
            draft.encode(
                into: &staging, queueOffset: 0, logOffset: placement.logOffset, storeTimestamp: lastTimestamp)
            return placement
        }
        return try placeQueued(draft, size: size)
    }

    private func placeQueued(_ draft: RecordDraft, size: Int) throws(StoreError) -> OffsetAssigner.Placement {
        let key = QueueKey(topic: draft.topic, queueID: draft.queueID)
        // The queue is opened before an offset is taken, so that a failure leaves nothing to give back.
        let queue: ConsumeQueue
        if let known = run.queues[key]?.queue { queue = known } else { queue = try queues.makeIfMissing(key) }
        let placement = assigner.place(key, bytes: size)
        draft.encode(
            into: &staging, queueOffset: placement.queueOffset, logOffset: placement.logOffset,
            storeTimestamp: lastTimestamp)
        let code = QueueEntry.tagCode(
            topic: draft.topic, sysFlag: draft.sysFlag, properties: draft.properties, storeTimestamp: lastTimestamp,
            delayLevelMilliseconds: configuration.delayLevelMilliseconds)
        var part = run.queues.removeValue(forKey: key) ?? QueuePart(queue: queue, start: placement.queueOffset)
        QueueEntry(logOffset: placement.logOffset, size: Int32(size), tagCode: code).write(to: &part.entries)
        part.tagCodes.append(code)
        run.queues[key] = part
        return placement
    }

    /// Writes the run and begins the next one; on failure its appends are answered and the error returned.
    private func commit() -> StoreError? {
        defer {
            staging.clear()
            run = Run(start: assigner.logOffset)
        }
        guard staging.readableBytes > 0 || !run.completed.isEmpty else { return nil }
        do throws(StoreError) {
            if staging.readableBytes > 0 { try log.write(staging, at: run.start) }
            for part in run.queues.values { try part.queue.write(part.entries, at: part.start) }
        } catch {
            giveBack(error)
            return error
        }
        publish()
        return nil
    }

    private func publish() {
        var arrived: [QueueArrival] = []
        arrived.reserveCapacity(run.queues.count)
        for (key, part) in run.queues {
            let end = part.start + Int64(part.tagCodes.count)
            part.queue.publish(end)
            arrived.append(QueueArrival(key: key, maximumOffset: end, tagCodes: part.tagCodes))
        }
        progress.published(
            writtenOffset: assigner.logOffset, timestamp: lastTimestamp,
            records: arrived.reduce(0) { $0 + $1.tagCodes.count })
        finished.append(contentsOf: run.completed)
        if !arrived.isEmpty { arrivals(arrived) }
    }

    private func giveBack(_ error: StoreError) {
        if let segment = log.segment(at: run.start) {
            // All of it: the next run begins at the same place, and a whole record of this one behind it would be taken
            // for stored. Its blocks are there if anything of the run is; when not, nothing needs hiding.
            let count = min(Int64(staging.readableBytes), segment.endOffset - run.start)
            let zeros = [UInt8](repeating: 0, count: Int(max(0, count)))
            zeros.withUnsafeBytes { bytes in try? segment.write(bytes, at: run.start) }
        }
        for part in run.queues.values {
            try? part.queue.write(
                ByteBuffer(repeating: 0, count: part.entries.readableBytes), at: part.start)
        }
        for finished in run.completed { finished.append.completion(.failure(error)) }
        assigner.rewind(
            logOffset: run.start, queues: run.queues.map { (key: $0.key, offset: $0.value.start) })
    }
}
