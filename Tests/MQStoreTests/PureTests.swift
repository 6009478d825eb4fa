import MQWire
import NIOCore
import SystemPackage
import Testing

@testable import MQStore

@Suite struct OffsetAssignerTests {
    @Test func recordsFollowEachOtherAndNeverCrossASegment() {
        let key = QueueKey(topic: "a", queueID: 0)
        let other = QueueKey(topic: "a", queueID: 1)
        var assigner = OffsetAssigner(segmentBytes: 1000, logOffset: 0, nextQueueOffsets: [other: 7])
        #expect(assigner.place(key, bytes: 400) == .init(logOffset: 0, queueOffset: 0))
        #expect(assigner.place(other, bytes: 400) == .init(logOffset: 400, queueOffset: 7))
        // 200 bytes are left: a record of 192 and the filler's 8 fit exactly, one of 193 does not.
        #expect(assigner.blankBytes(before: 192) == 0)
        #expect(assigner.blankBytes(before: 193) == 200)
        assigner.endSegment(blankBytes: 200)
        #expect(assigner.place(key, bytes: 193) == .init(logOffset: 1000, queueOffset: 1))
        #expect(assigner.place(nil, bytes: 10) == .init(logOffset: 1193, queueOffset: 0))
    }

    @Test func whatIsGivenBackIsGivenAgain() {
        let key = QueueKey(topic: "a", queueID: 0)
        var assigner = OffsetAssigner(segmentBytes: 1000, logOffset: 100, nextQueueOffsets: [:])
        let first = assigner.place(key, bytes: 50)
        _ = assigner.place(key, bytes: 50)
        assigner.rewind(logOffset: first.logOffset, queues: [(key, first.queueOffset)])
        #expect(assigner.place(key, bytes: 50) == first)
        assigner.forget(topic: "a")
        #expect(assigner.place(key, bytes: 50).queueOffset == 0)
    }
}

@Suite struct LogWalkTests {
    @Test func eachReadingHasItsStep() throws {
        var buffer = ByteBuffer()
        message("t", body: "x").encode(into: &buffer, queueOffset: 0, logOffset: 500, storeTimestamp: 1 << 40)
        guard case .record(let record) = StoredRecord.read(from: &buffer) else { return #expect(Bool(false)) }
        var torn = record
        torn.storeTimestamp = 600_488_372_399
        func name(_ reading: StoredRecord.Reading, at position: Int64 = 500) -> String {
            switch LogWalk.judge(reading, position: position, segmentEnd: 1000) {
            case .record: "record"
            case .damaged: "damaged"
            case .nextSegment(let next): "next \(next)"
            case .unwritten: "unwritten"
            case .torn: "torn"
            }
        }
        #expect(name(.record(record)) == "record")
        #expect(name(.record(record), at: 400) == "torn")
        #expect(name(.record(torn)) == "damaged")
        #expect(name(.checksumMismatch(record)) == "damaged")
        #expect(name(.checksumMismatch(record), at: 400) == "torn")
        #expect(name(.blank(size: 500)) == "next 1000")
        #expect(name(.blank(size: 499)) == "torn")
        #expect(name(.unwritten) == "unwritten")
        #expect(name(.truncated(needed: 9)) == "torn")
        #expect(name(.malformed("x")) == "torn")
    }
}

@Suite struct QueueEntryTests {
    @Test func theFilterCodeIsTheTagsHashOrTheTimeDue() {
        func code(_ topic: String, _ properties: MessageProperties) -> Int64 {
            QueueEntry.tagCode(
                topic: topic, sysFlag: [], properties: ByteBuffer(string: properties.text), storeTimestamp: 10_000,
                delayLevelMilliseconds: DelayLevels.standard)
        }
        #expect(code("t", ["TAGS": "TagA"]) == 2_598_919)
        #expect(code("t", ["TAGS": "polygenelubricants"]) == Int64(Int32.min))
        #expect(code("t", ["KEYS": "k"]) == 0)
        #expect(code("t", ["DELAY": "2", "TAGS": "TagA"]) == 2_598_919)
        #expect(code(DelayLevels.topic, ["DELAY": "2"]) == 15_000)
        #expect(code(DelayLevels.topic, ["DELAY": "99"]) == 10_000 + 7_200_000)
    }

    /// RocketMQ goes on to dispatch at the end of a queue's last entry: that of a lost message must lie in the log.
    @Test func aLostPlaceEndsWhereItsMessageWouldHaveBegun() {
        func written(_ entry: QueueEntry) -> ByteBuffer {
            var buffer = ByteBuffer()
            entry.write(to: &buffer)
            return buffer
        }
        for logOffset in [0, 1, 91, 1 << 40, .max] as [Int64] {
            let blank = QueueEntry.blank(before: logOffset)
            var bytes = written(blank)
            let (offset, size) = (bytes.getInteger(at: 0, as: Int64.self), bytes.getInteger(at: 8, as: Int32.self))
            if logOffset > 0 { #expect(offset == logOffset - 1 && size == 1) }
            #expect(QueueEntry(from: &bytes) == blank && blank.isBlank)
        }
        // RocketMQ's own, and what stores of ours held before.
        var theirs = ByteBuffer()
        theirs.writeMultipleIntegers(Int64(700), Int32.max, Int64(0))
        #expect(QueueEntry(from: &theirs) == .blank(before: 700))
        // A message of a tag is none, however short its entry says that it is.
        var rotten = ByteBuffer()
        rotten.writeMultipleIntegers(Int64(700), Int32(1), Int64(7))
        #expect(QueueEntry(from: &rotten)?.isBlank == false)
    }

    /// Found by the fuzzer: a record's header has no sum, and its damage ended the broker at each start.
    @Test func damagedTimesAndOffsetsEndAtTheLargestNumber() {
        let properties = ByteBuffer(string: (["DELAY": "2"] as MessageProperties).text)
        let due = QueueEntry.tagCode(
            topic: DelayLevels.topic, sysFlag: [], properties: properties, storeTimestamp: .max - 1,
            delayLevelMilliseconds: DelayLevels.standard)
        #expect(due == .max)
        #expect(QueueEntry(logOffset: .max - 5, size: 6, tagCode: 0).end == .max)
        #expect(IndexEntry.seconds(from: 1_795_348_749_932, to: .min) == 0)
        #expect(IndexEntry.seconds(from: 1, to: .max) == Int32.max)
    }
}
