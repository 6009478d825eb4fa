import MQWire
import NIOCore

/// A slave's log: records come with their offsets instead of being given any.
extension LogWriteLoop {
    /// Writes pieces of a master's log and sees to their answers.
    func copy(_ pieces: [ReplicaPiece]) {
        guard !pieces.isEmpty else { return }
        for piece in pieces {
            if staging.readableBytes >= Self.usualRunBytes { _ = commit() }
            do throws(StoreError) {
                if let refusal { throw refusal }
                try follow(piece)
                run.copied.append(piece)
            } catch {
                // What came of it before the mistake is whole, and stays.
                _ = commit()
                piece.completion(.failure(error))
            }
        }
        _ = commit()
        flusher.add([], writtenTo: progress.writtenOffset, timestamp: progress.lastTimestamp)
        if staging.capacity > Self.keptStagingBytes { staging = ByteBuffer() }
    }

    private func follow(_ piece: ReplicaPiece) throws(StoreError) {
        if assigner.logOffset != piece.logOffset {
            guard log.all.isEmpty, assigner.logOffset == 0, piece.logOffset % configuration.segmentBytes == 0 else {
                throw StoreError(
                    .layout,
                    message: "the master sent its log from \(piece.logOffset) on, and this one ends at "
                        + "\(assigner.logOffset)")
            }
            assigner.begin(at: piece.logOffset)
            run = Run(start: piece.logOffset)
        }
        var rest = piece.bytes
        while rest.readableBytes > 0 {
            let position = assigner.logOffset
            let segmentEnd = (position / configuration.segmentBytes + 1) * configuration.segmentBytes
            var reading = rest
            switch LogWalk.judge(StoredRecord.read(from: &reading), position: position, segmentEnd: segmentEnd) {
            case .record(let record):
                try follow(record, rest.readSlice(length: Int(record.totalSize)), isSound: true)
            case .damaged(let record):
                // It keeps its place, as it does on the master, and is served to nobody.
                try follow(record, rest.readSlice(length: Int(record.totalSize)), isSound: false)
            case .nextSegment(let next):
                rest.moveReaderIndex(forwardBy: RecordLayout.blankSize)
                staging.writeMultipleIntegers(Int32(next - position), RecordLayout.blankMagic)
                assigner.endSegment(blankBytes: Int(next - position))
                if let error = commit() { throw error }
            case .unwritten: throw Self.noRecord(at: position, "zeros")
            case .torn(let reason): throw Self.noRecord(at: position, reason)
            }
        }
    }

    private static func noRecord(at position: Int64, _ reason: String) -> StoreError {
        StoreError(.layout, message: "what the master sent is no record at \(position): \(reason)")
    }

    private func follow(_ record: StoredRecord, _ bytes: ByteBuffer?, isSound: Bool) throws(StoreError) {
        guard let bytes, assigner.blankBytes(before: bytes.readableBytes) == 0 else {
            throw StoreError(
                .layout,
                message: "a record of the master at \(record.logOffset) does not fit a segment of "
                    + "\(configuration.segmentBytes) bytes; set the master's mappedFileSizeCommitLog here")
        }
        if staging.readableBytes > 0, staging.readableBytes + bytes.readableBytes > Self.runBytes,
            let error = commit()
        {
            throw error
        }
        // The master's order, whatever one header says: a time that went bad is over with the next record.
        lastTimestamp = record.storeTimestamp
        guard let key = Recovery.queue(of: record),
            QueueRebuild.isPossible(record.queueOffset, before: record.logOffset)
        else {
            _ = assigner.place(nil, bytes: bytes.readableBytes)
            staging.writeImmutableBuffer(bytes)
            return
        }
        let queue = try queue(key, expecting: record.queueOffset)
        let placement = assigner.place(key, bytes: bytes.readableBytes)
        staging.writeImmutableBuffer(bytes)
        let entry =
            isSound
            ? QueueEntry(record, delayLevelMilliseconds: configuration.delayLevelMilliseconds)
            : .blank(before: record.logOffset)
        add(entry, to: queue, at: placement.queueOffset)
    }

    /// The queue, made such that its next place is this one.
    ///
    /// 1. A smaller one than expected: the topic was made anew on the master, or the queue knows a place for lost that
    ///    was not. What is before the place stays.
    /// 2. A larger one: the master does not have what was between, or its queue began there.
    private func queue(_ key: QueueKey, expecting queueOffset: Int64) throws(StoreError) -> ConsumeQueue {
        let next = assigner.nextQueueOffset(of: key)
        if next == queueOffset { return try openQueue(key) }
        if let error = commit() { throw error }
        if queueOffset < next, queueOffset == 0 {
            if let error = delete(topic: key.topic) { throw error }
        } else {
            let queue = try queues.makeIfMissing(key)
            if queueOffset > queue.minimumOffset, queueOffset < queue.maximumOffset {
                try queue.cut(atQueueOffset: queueOffset)
            } else {
                try queue.beginAnew(at: queueOffset)
            }
        }
        assigner.expect(queueOffset, of: key)
        return try queues.makeIfMissing(key)
    }
}
