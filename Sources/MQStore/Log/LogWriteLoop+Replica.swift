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
        tellDoubts()
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
        try enqueue(record, isSound: isSound)
        _ = assigner.place(nil, bytes: bytes.readableBytes)
        staging.writeImmutableBuffer(bytes)
    }

    /// Gives a record of the log its place in its queue, if it has one.
    private func enqueue(_ record: StoredRecord, isSound: Bool) throws(StoreError) {
        guard let key = Recovery.queue(of: record),
            QueueRebuild.isPossible(record.queueOffset, before: record.logOffset)
        else { return places.passOver() }
        var entry = QueueEntry.blank(before: record.logOffset)
        if isSound {
            entry = QueueEntry(record, delayLevelMilliseconds: configuration.delayLevelMilliseconds)
            guard try prepare(key, for: entry, at: record.queueOffset) else { return }
        } else {
            // What a damaged record says of its queue moves nothing; it only leaves the place empty that was to be the next.
            guard queues.queue(key) != nil, assigner.nextQueueOffset(of: key) == record.queueOffset else {
                return places.passOver()
            }
        }
        let queue = try openQueue(key)
        let place = assigner.nextQueueOffset(of: key)
        add(entry, to: queue, at: place)
        assigner.expect(place + 1, of: key)
    }

    /// Sees to it that the queue's next place is the record's; `false` when it is in no queue for now.
    private func prepare(_ key: QueueKey, for entry: QueueEntry, at queueOffset: Int64) throws(StoreError) -> Bool {
        let next = assigner.nextQueueOffset(of: key)
        let isUnknown = next == 0 && queueOffset != 0 && (queues.queue(key).map { $0.maximumOffset == 0 } ?? true)
        switch places.judge(key, at: queueOffset, entry: entry, next: next, isUnknown: isUnknown) {
        case .next: break
        case .doubted: return false
        case .behindLost(let count):
            let queue = try openQueue(key)
            for place in next..<next + count { add(.blank(before: entry.logOffset), to: queue, at: place) }
            assigner.expect(queueOffset, of: key)
        case .beginsQueue: try begin(key, at: queueOffset, before: entry.logOffset)
        case .topicMadeAnew: try makeAnewFromDoubts(key.topic)
        case .confirms(let doubt):
            if doubt.queueOffset == 0, next > 0 {
                try makeAnewFromDoubts(key.topic)
            } else {
                try begin(key, at: doubt.queueOffset, before: doubt.entry.logOffset)
                try addDoubted(doubt)
            }
        }
        return true
    }

    /// Makes the queue go on at this number. What is before it stays, and places in between are lost.
    private func begin(_ key: QueueKey, at queueOffset: Int64, before logOffset: Int64) throws(StoreError) {
        if let error = commit() { throw error }
        let queue = try queues.makeIfMissing(key)
        let (minimum, maximum) = (queue.minimumOffset, queue.maximumOffset)
        if queueOffset > minimum, queueOffset <= maximum {
            try queue.cut(atQueueOffset: queueOffset)
        } else if maximum > minimum, queueOffset > maximum, queueOffset - maximum <= CopiedPlaces.longestGap {
            try queue.raise(to: queueOffset, logOffset: logOffset)
        } else {
            try queue.beginAnew(at: queueOffset)
        }
        assigner.expect(queueOffset, of: key)
    }

    private func addDoubted(_ doubt: CopiedPlaces.Doubt) throws(StoreError) {
        add(doubt.entry, to: try openQueue(doubt.key), at: doubt.queueOffset)
        assigner.expect(doubt.queueOffset + 1, of: doubt.key)
    }

    /// Takes the master's word that a topic was made anew, of which only doubted records tell.
    func believeDoubts(of topic: String) -> StoreError? {
        guard !places.beginnings(of: topic).isEmpty else { return nil }
        do throws(StoreError) { try makeAnewFromDoubts(topic) } catch { return error }
        if let error = commit() { return error }
        places.forget(topic: topic)
        tellDoubts()
        return nil
    }

    /// Forgets a topic that was deleted while the log ended at `start`, and makes its queues anew from what the log has of it
    /// since: exact, whatever was believed of its records when they came.
    func delete(topic: String, keepingFrom start: Int64) -> StoreError? {
        do throws(StoreError) {
            if let error = commit() { throw error }
            places.forget(topic: topic)
            if let error = delete(topic: topic, before: start) { throw error }
            try enqueueAll(of: topic, from: max(start, log.firstOffset))
            if let error = commit() { throw error }
        } catch {
            // Whoever asks again finds that it is not done.
            progress.setDeletedTopics(deleted.table.offsets.filter { $0.key != topic })
            return error
        }
        tellDoubts()
        return nil
    }

    private func enqueueAll(of topic: String, from start: Int64) throws(StoreError) {
        var survey = LogSurvey(log.source, from: start, past: .stopped)
        var count = 0
        while true {
            switch try survey.next() {
            case .record(let record) where record.topic == topic: try enqueue(record, isSound: true)
            case .damage(_, let record?) where record.topic == topic: try enqueue(record, isSound: false)
            case .record, .damage: continue
            case .end: return
            }
            count += 1
            if count % Self.enqueuedAtOnce == 0, let error = commit() { throw error }
        }
    }

    /// So many entries are gathered before they are written.
    private static let enqueuedAtOnce = 4096

    /// Lets others see which queues' beginnings are doubted, and what is in them.
    func tellDoubts() {
        var told: [QueueKey: Int64] = [:]
        for doubt in places.beginnings() { told[doubt.key] = queues.queue(doubt.key)?.maximumOffset ?? 0 }
        progress.setDoubted(told)
    }

    /// Forgets a topic as it was before the first of its doubted beginnings, if any, and keeps what came since.
    private func makeAnewFromDoubts(_ topic: String) throws(StoreError) {
        if let error = commit() { throw error }
        var beginnings: [CopiedPlaces.Doubt] = []
        for doubt in places.beginnings(of: topic) {
            // One that was confirmed is in its queue, and no longer doubted.
            let present = try queues.queue(doubt.key)?.entries(from: 0, count: 1).first
            if present != doubt.entry { beginnings.append(doubt) }
        }
        try makeAnew(topic, from: beginnings.first?.entry.logOffset ?? assigner.logOffset, beginnings)
    }

    /// Forgets a topic's records before `start`, of which none is in the run, and keeps these and what its queues have.
    private func makeAnew(
        _ topic: String, from start: Int64, _ beginnings: [CopiedPlaces.Doubt]
    ) throws(StoreError) {
        var kept = beginnings
        for queue in queues.all where queue.key.topic == topic && queue.minimumOffset == 0 {
            let entries = try queue.entries(from: 0, count: Int(queue.maximumOffset))
            guard let first = entries.first, first.logOffset >= start else { continue }
            kept.removeAll { $0.key == queue.key }
            for (number, entry) in entries.enumerated() {
                kept.append(CopiedPlaces.Doubt(key: queue.key, queueOffset: Int64(number), entry: entry))
            }
        }
        // What is kept is all that came since: whatever is before the first of it is of the topic that is gone.
        let end = kept.map(\.entry.logOffset).min() ?? assigner.logOffset
        if let error = delete(topic: topic, before: end) { throw error }
        for doubt in kept { try addDoubted(doubt) }
    }
}
