import Glibc
public import MQWire
import NIOCore

extension MessageStore {
    /// Reads messages of a queue, as records one after another.
    ///
    /// Neighbours in the log are read with one call. Never throws for what a client may ask wrongly: that is a status.
    public func read(_ request: QueueRequest) throws(StoreError) -> QueueReading {
        guard let queue = queues.queue(request.key) else {
            return QueueReading(
                status: .noQueue, nextOffset: 0, minimumOffset: 0, maximumOffset: 0, body: ByteBuffer(), count: 0)
        }
        let minimum = queue.minimumOffset
        let maximum = queue.maximumOffset
        var reading = QueueReading(
            status: .found, nextOffset: request.offset, minimumOffset: minimum, maximumOffset: maximum,
            body: ByteBuffer(), count: 0)
        if maximum == 0 {
            reading.status = .empty
            reading.nextOffset = 0
        } else if request.offset < minimum {
            reading.status = .beforeBeginning
            reading.nextOffset = minimum
        } else if request.offset == maximum {
            reading.status = .atEnd
        } else if request.offset > maximum {
            // RocketMQ sends a reader of a queue that is whole back to its beginning, else to the end.
            reading.status = .beyondEnd
            reading.nextOffset = minimum == 0 ? 0 : maximum
        } else if let wantsProperties = request.wantsProperties {
            try collect(request, from: queue, into: &reading, where: wantsProperties)
        } else {
            try collect(request, from: queue, into: &reading)
        }
        return reading
    }

    private func collect(
        _ request: QueueRequest, from queue: ConsumeQueue, into reading: inout QueueReading
    ) throws(StoreError) {
        let wanted = max(1, min(request.maximumCount, QueueRequest.countLimit))
        var offset = request.offset
        var scanned = 0
        var bytes = 0
        var picks: [EntryPick] = []
        collecting: while picks.count < wanted, scanned < QueueRequest.scanLimit, offset < reading.maximumOffset {
            let entries = try queue.entries(from: offset, count: max(wanted - picks.count, 32))
            if entries.isEmpty {
                guard queue.isHole(at: offset) else { break collecting }
                // A published place that holds no entry any more: nobody waits before it for ever.
                reading.damagedLogOffsets.append(-1)
                scanned += 1
                offset += 1
                continue
            }
            for entry in entries {
                scanned += 1
                if entry.isBlank {
                    reading.damagedLogOffsets.append(entry.logOffset)
                } else if request.isWanted(entry.tagCode) {
                    if !picks.isEmpty && bytes + Int(entry.size) > request.maximumBytes { break collecting }
                    if Int(entry.size) > request.maximumBytes, !(try isSize(of: entry)) {
                        // Read as it says, a rotten size would cost up to 2 GiB.
                        reading.damagedLogOffsets.append(entry.logOffset)
                        offset += 1
                        continue
                    }
                    picks.append(EntryPick(entry: entry, queueOffset: offset))
                    bytes += Int(entry.size)
                }
                offset += 1
                if picks.count == wanted { break collecting }
            }
        }
        reading.nextOffset = offset
        let isWhole = try fill(&reading, with: picks, of: request.key)
        reading.count = picks.count
        reading.lastLogOffset = picks.last?.entry.logOffset
        let checker = RecordChecker(key: request.key, verifiesChecksum: configuration.checksOnRead)
        if !isWhole || !checker.allMatch(picks, in: reading.body) {
            try fillOneByOne(&reading, with: picks, checker: checker)
        }
        if reading.count == 0 { reading.status = .noMatch }
    }

    /// The same where the records' properties decide: piece by piece, each of which is read, looked at, and kept or not.
    private func collect(
        _ request: QueueRequest, from queue: ConsumeQueue, into reading: inout QueueReading,
        where isWanted: @Sendable (ByteBuffer) -> Bool
    ) throws(StoreError) {
        var piece = request
        piece.wantsProperties = nil
        let wanted = max(1, min(request.maximumCount, QueueRequest.countLimit))
        var (bytesRead, entries) = (0, Int64(0))
        while reading.count < wanted, reading.nextOffset < reading.maximumOffset,
            bytesRead < QueueRequest.filteredBytesLimit, entries < request.maximumLooks
        {
            piece.offset = reading.nextOffset
            piece.maximumCount = wanted - reading.count
            var part = reading
            part.body = ByteBuffer()
            part.damagedLogOffsets = []
            try collect(piece, from: queue, into: &part)
            bytesRead += part.body.readableBytes
            entries += part.nextOffset - reading.nextOffset
            reading.damagedLogOffsets += part.damagedLogOffsets
            reading.lastLogOffset = part.lastLogOffset ?? reading.lastLogOffset
            var isFull = false
            for _ in 0..<part.count {
                guard let size = part.body.getInteger(at: part.body.readerIndex, as: Int32.self),
                    var record = part.body.readSlice(length: Int(size))
                else { break }
                let copy = record
                guard case .record(let stored) = StoredRecord.read(from: &record), isWanted(stored.encodedProperties)
                else { continue }
                if reading.count > 0, reading.body.readableBytes + copy.readableBytes > request.maximumBytes {
                    // It begins the next answer.
                    reading.nextOffset = stored.queueOffset
                    isFull = true
                    break
                }
                reading.body.writeImmutableBuffer(copy)
                reading.count += 1
            }
            if isFull { break }
            reading.nextOffset = part.nextOffset
            if part.nextOffset == piece.offset { break }
        }
        reading.status = reading.count == 0 ? .noMatch : .found
    }

    /// Whether the record that an entry leads to says that it has this size, and that it stands there.
    private func isSize(of entry: QueueEntry) throws(StoreError) -> Bool {
        // What is too old is gone, and not damaged.
        guard entry.logOffset >= log.firstOffset else { return true }
        return try size(ofRecordAt: entry.logOffset) == entry.size
    }

    /// The size of the record that stands at a log offset and says so itself; `nil` when none does, or it is behind the end.
    private func size(ofRecordAt offset: Int64) throws(StoreError) -> Int32? {
        guard offset >= log.firstOffset, offset < progress.writtenOffset else { return nil }
        var buffer = ByteBuffer()
        try log.read(at: offset, count: RecordLayout.sysFlagOffset, into: &buffer)
        guard let size = buffer.getInteger(at: 0, as: Int32.self), Int(size) >= RecordLayout.minimumSize,
            buffer.getInteger(at: 4, as: UInt32.self) == RecordLayout.magic,
            buffer.getInteger(at: RecordLayout.logOffsetOffset, as: Int64.self) == offset
        else { return nil }
        let end = offset + Int64(size)
        guard end <= progress.writtenOffset,
            offset / configuration.segmentBytes == (end - 1) / configuration.segmentBytes
        else { return nil }
        return size
    }

    /// Copies the records; those that lie near each other in the log with one call, and what lies between them is dropped.
    /// Gives whether all of them could be read.
    private func fill(
        _ reading: inout QueueReading, with picks: [EntryPick], of key: QueueKey
    ) throws(StoreError) -> Bool {
        var isWhole = true
        var first = 0
        while first < picks.count {
            let last = Self.lastNear(first, of: picks)
            isWhole = try fill(&reading.body, with: picks[first...last]) && isWhole
            first = last + 1
        }
        return isWhole
    }

    /// A topic's queues lie in the log by turns: so many times the bytes that are wanted are read rather than asked for
    /// one by one, since a call costs as much as some kilobytes.
    private static let readShare: Int64 = 4
    /// A range with bytes between its records is at most so long: the answer keeps its memory until it is sent.
    private static let readRangeBytes: Int64 = 128 << 10

    /// The last of the picks from `first` on that are read with one call.
    private static func lastNear(_ first: Int, of picks: [EntryPick]) -> Int {
        let start = picks[first].entry.logOffset
        var (last, end) = (first, start + Int64(picks[first].entry.size))
        var wanted = Int64(picks[first].entry.size)
        while last + 1 < picks.count {
            let next = picks[last + 1].entry
            let (nextEnd, all) = (next.logOffset + Int64(next.size), wanted + Int64(next.size))
            let isNeighbour = next.logOffset == end && end - start == wanted
            let isNear =
                next.logOffset >= end && nextEnd - start <= min(all * readShare, readRangeBytes)
            guard isNeighbour || isNear else { break }
            (last, end, wanted) = (last + 1, nextEnd, all)
        }
        return last
    }

    /// Reads the range of these picks behind what is there, and moves their records together.
    private func fill(_ body: inout ByteBuffer, with picks: ArraySlice<EntryPick>) throws(StoreError) -> Bool {
        guard let first = picks.first?.entry, let last = picks.last?.entry else { return true }
        let before = body.readableBytes
        let count = Int(last.logOffset + Int64(last.size) - first.logOffset)
        let isWhole = try log.read(at: first.logOffset, count: count, into: &body)
        let wanted = picks.reduce(0) { $0 + Int($1.entry.size) }
        // One that is shorter than it says is found when the records are looked at.
        guard wanted < count, body.readableBytes == before + count else { return isWhole }
        body.withUnsafeMutableReadableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            var target = before
            for pick in picks {
                let source = before + Int(pick.entry.logOffset - first.logOffset)
                memmove(base + target, base + source, Int(pick.entry.size))
                target += Int(pick.entry.size)
            }
        }
        body.moveWriterIndex(to: body.readerIndex + before + wanted)
        return isWhole
    }

    /// Copies the records that are sound, and names the others: the reader goes past them.
    private func fillOneByOne(
        _ reading: inout QueueReading, with picks: [EntryPick], checker: RecordChecker
    ) throws(StoreError) {
        reading.body.clear()
        reading.count = 0
        for pick in picks {
            var piece = ByteBuffer()
            let size = Int(min(Int64(pick.entry.size), configuration.segmentBytes))
            let isWhole = try log.read(at: pick.entry.logOffset, count: size, into: &piece)
            if isWhole, checker.allMatch([pick], in: piece) {
                reading.body.writeBuffer(&piece)
                reading.count += 1
            } else if pick.entry.logOffset >= log.firstOffset {
                reading.damagedLogOffsets.append(pick.entry.logOffset)
            }
        }
    }

    /// The first message a queue holds; 0 for one that was never written.
    public func minimumOffset(of key: QueueKey) -> Int64 { queues.queue(key)?.minimumOffset ?? 0 }

    /// One past the last message of a queue; 0 for one that was never written.
    public func maximumOffset(of key: QueueKey) -> Int64 { queues.queue(key)?.maximumOffset ?? 0 }

    /// The entries of a queue from the offset on, without their records.
    public func entries(of key: QueueKey, from offset: Int64, count: Int) throws(StoreError) -> [QueueEntry] {
        try queues.queue(key)?.entries(from: offset, count: count) ?? []
    }

    /// The sound record at a log offset; `nil` when none begins there.
    public func record(atLogOffset offset: Int64) throws(StoreError) -> StoredRecord? {
        if case .sound(let record) = try look(atLogOffset: offset) { record } else { nil }
    }

    /// What stands at a log offset.
    public func look(atLogOffset offset: Int64) throws(StoreError) -> RecordLook {
        guard let size = try size(ofRecordAt: offset) else { return .none }
        var buffer = ByteBuffer()
        let isWhole = try log.read(at: offset, count: Int(size), into: &buffer)
        guard isWhole, case .record(let record) = StoredRecord.read(from: &buffer), record.logOffset == offset
        else { return .damaged }
        return .sound(record)
    }

    /// The records of a topic that have the key, or the unique id, in the log's order: the newest within the times.
    ///
    /// - Parameters:
    ///   - times: when they were stored, milliseconds since 1970.
    ///   - limit: the most records wanted.
    ///   - maximumBytes: the most bytes wanted; one record is given even when it is larger.
    public func records(
        topic: String, key: String, within times: ClosedRange<Int64>, limit: Int, maximumBytes: Int
    ) throws(StoreError) -> [StoredRecord] {
        guard let index else { return [] }
        var records: [StoredRecord] = []
        var bytes = 0
        for offset in try index.search(topic: topic, key: key, within: times, limit: limit).reversed() {
            // Another key may have the same hash, and one message the same key twice.
            guard let record = try record(atLogOffset: offset), record.topic == topic,
                times.contains(record.storeTimestamp), Self.has(record, key: key),
                records.last?.logOffset != record.logOffset
            else { continue }
            if !records.isEmpty && bytes + Int(record.totalSize) > maximumBytes { break }
            records.append(record)
            bytes += Int(record.totalSize)
        }
        return records.reversed()
    }

    private static func has(_ record: StoredRecord, key: String) -> Bool {
        if MessageProperties.value(of: "UNIQ_KEY", in: record.encodedProperties) == key { return true }
        let keys = MessageProperties.value(of: "KEYS", in: record.encodedProperties) ?? ""
        return keys.split(separator: " ").contains { $0 == key }
    }

    /// How far the index goes: the store time and log offset of its last message, zeros when it is empty.
    public var indexEnd: (timestamp: Int64, logOffset: Int64) { (index?.lastTimestamp ?? 0, index?.lastOffset ?? 0) }

    /// The record that a queue's entry leads to; nil when its place is lost, or another record stands there.
    public func record(of entry: QueueEntry, in key: QueueKey, at offset: Int64) throws(StoreError) -> StoredRecord? {
        try EntryReading(log: log).record(of: entry, in: key, at: offset)
    }

    /// When the message at this place of a queue was stored, milliseconds since 1970; `nil` when there is none.
    public func storeTimestamp(of key: QueueKey, at offset: Int64) throws(StoreError) -> Int64? {
        guard let entry = try queues.queue(key)?.entries(from: offset, count: 1).first else { return nil }
        return try EntryReading(log: log).record(of: entry, in: key, at: offset)?.storeTimestamp
    }

    /// The message nearest in time: the last one not stored after `timestamp`, or the next, whichever is closer.
    ///
    /// A queue's store times never decrease, so that it can be halved. Past both ends it is the end's message.
    public func offset(of key: QueueKey, nearestTo timestamp: Int64) throws(StoreError) -> Int64 {
        guard let queue = queues.queue(key), queue.maximumOffset > queue.minimumOffset else { return 0 }
        var low = queue.minimumOffset
        var high = queue.maximumOffset
        while low < high {
            let middle = low + (high - low) / 2
            if let stored = try storeTimestamp(of: key, at: middle), stored < timestamp {
                low = middle + 1
            } else {
                high = middle
            }
        }
        // `low` is the first one stored at or after the time.
        if low == queue.maximumOffset { return low - 1 }
        guard low > queue.minimumOffset, let after = try storeTimestamp(of: key, at: low),
            let before = try storeTimestamp(of: key, at: low - 1)
        else { return low }
        return after - timestamp <= timestamp - before ? low : low - 1
    }

    /// The end of the log, in bytes.
    public var maximumLogOffset: Int64 { progress.writtenOffset }
    /// The beginning of the log, in bytes.
    public var minimumLogOffset: Int64 { log.firstOffset }
    /// The end of what is synced, in bytes.
    public var flushedLogOffset: Int64 { progress.flushedOffset }
    /// The messages appended since the start.
    public var appendedMessages: Int { progress.appendedRecords }
    /// All queues there are.
    public var queueKeys: [QueueKey] { queues.all.map(\.key) }
}
