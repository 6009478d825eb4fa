import MQWire
import NIOCore

/// Records of a commit log, one behind another.
enum RecordTarget {
    static func run(_ input: ByteBuffer) {
        var log = input
        _ = bounded(input.readableBytes) { StoredRecord.readAll(input) }
        while true {
            let before = log
            // Sums are no matter for mutations.
            let reading = bounded(before.readableBytes) { StoredRecord.read(from: &log, verifyingChecksum: false) }
            guard case .record(let record) = reading else {
                return expect(log == before, "\(reading) was consumed")
            }
            expect(Int(record.totalSize) == log.readerIndex - before.readerIndex, "a record of another size")
            inspect(record)
            dispatch(record)
            survives(record)
            var cut = before.getSlice(at: before.readerIndex, length: Int(record.totalSize) - 1) ?? ByteBuffer()
            let short = StoredRecord.read(from: &cut, verifyingChecksum: false)
            expect(short == .truncated(needed: Int(record.totalSize)), "\(short) without the last byte")
        }
    }

    /// What dispatch, index and queries read of a record.
    private static func inspect(_ record: StoredRecord) {
        expect(OffsetMessageID("\(record.offsetMessageID)") == record.offsetMessageID, "\(record.offsetMessageID)")
        if let id = record.properties["UNIQ_KEY"].flatMap({ UniqueMessageID($0) }) {
            expect(UniqueMessageID("\(id)") == id, "\(id)")
        }
        if let message = IndexedMessage(record) {
            expect(message.hashes.count <= IndexedMessage.keyLimit, "\(message.hashes.count) keys")
            expect(message.hashes.allSatisfy { $0 >= 0 }, "a hash below 0")
        }
    }

    /// What the dispatch makes of it: one who waits for its delay is due at a time, others are filtered by their tag.
    private static func dispatch(_ record: StoredRecord) {
        _ = QueueEntry.tagCode(
            topic: record.topic, sysFlag: record.sysFlag, properties: record.encodedProperties,
            storeTimestamp: record.storeTimestamp, delayLevelMilliseconds: [1000, 7_200_000])
    }

    private static func survives(_ record: StoredRecord) {
        let draft = record.draft()
        // Bytes that are no text become longer when they are read as one; the store refuses the draft then.
        guard draft.topic.utf8.count <= RecordLayout.maximumTopicBytes else { return }
        var buffer = ByteBuffer()
        draft.encode(
            into: &buffer, queueOffset: record.queueOffset, logOffset: record.logOffset,
            storeTimestamp: record.storeTimestamp)
        // Nothing of the record may have gone unread, but where a topic was mended.
        expect(
            buffer.readableBytes == Int(record.totalSize) || record.topic.unicodeScalars.contains("\u{FFFD}"),
            "\(record) came back with \(buffer.readableBytes) bytes")
        var expected = record
        expected.totalSize = Int32(buffer.readableBytes)
        expected.bodyCRC = BodyChecksum.body(record.body)
        let again = StoredRecord.read(from: &buffer)
        expect(again == .record(expected), "\(record) came back as \(again)")
        expect(buffer.readableBytes == 0, "\(buffer.readableBytes) bytes too many were written")
    }
}
