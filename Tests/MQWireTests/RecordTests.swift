import Foundation
import NIOCore
import Testing

@testable import MQWire

@Suite struct RecordTests {
    /// The first 16 KiB of a commit log that Apache's broker wrote.
    static func apacheLog() throws -> [UInt8] {
        let url = try #require(
            Bundle.module.url(forResource: "apache-commitlog-16k", withExtension: "bin", subdirectory: "Fixtures"))
        return try Array(Data(contentsOf: url))
    }

    static func draft(host: RecordHost = RecordHost(address: [10, 0, 0, 1], port: 5)) -> RecordDraft {
        RecordDraft(
            topic: "orders", queueID: 3, flag: 7, sysFlag: .compressed, bornTimestamp: 1_700_000_000_000,
            bornHost: host, storeHost: RecordHost(address: [127, 0, 0, 1], port: 10911), reconsumeTimes: 2,
            preparedTransactionOffset: 99, body: ByteBuffer(string: "a body"),
            properties: ByteBuffer(string: (["TAGS": "t", "KEYS": "k"] as MessageProperties).text))
    }

    @Test func whatIsEncodedIsRead() throws {
        for host in [
            RecordHost(address: [10, 0, 0, 1], port: 5),
            RecordHost(address: [UInt8](repeating: 9, count: 16), port: 6),
        ] {
            var buffer = ByteBuffer()
            let draft = Self.draft(host: host)
            draft.encode(into: &buffer, queueOffset: 11, logOffset: 22, storeTimestamp: 33)
            #expect(buffer.readableBytes == draft.encodedSize)
            guard case .record(let record) = StoredRecord.read(from: &buffer) else {
                Issue.record("no record")
                return
            }
            #expect(buffer.readableBytes == 0)
            #expect(record.topic == "orders" && record.queueID == 3 && record.flag == 7)
            #expect(record.queueOffset == 11 && record.logOffset == 22 && record.storeTimestamp == 33)
            #expect(record.bornHost == host && record.sysFlag.contains(.bornHostIPv6) == host.isIPv6)
            #expect(record.sysFlag.contains(.compressed) && !record.sysFlag.contains(.storeHostIPv6))
            #expect(record.reconsumeTimes == 2 && record.preparedTransactionOffset == 99)
            #expect(record.properties.dictionary == ["TAGS": "t", "KEYS": "k"])
            #expect(record.body == ByteBuffer(string: "a body"))
        }
    }

    @Test func everyShorterPieceIsTruncatedAndEveryFlippedBodyBitIsFound() {
        var whole = ByteBuffer()
        Self.draft().encode(into: &whole, queueOffset: 0, logOffset: 0, storeTimestamp: 0)
        for length in 8..<whole.readableBytes {
            var piece = whole.getSlice(at: 0, length: length) ?? ByteBuffer()
            #expect(StoredRecord.read(from: &piece) == .truncated(needed: whole.readableBytes))
            #expect(piece.readableBytes == length)
        }
        let bodyStart = RecordLayout.bornHostOffset + 8 + 8 + 8 + 4 + 8 + 4
        for bit in 0..<8 {
            var broken = whole
            broken.setInteger((broken.getInteger(at: bodyStart, as: UInt8.self) ?? 0) ^ 1 << bit, at: bodyStart)
            guard case .checksumMismatch = StoredRecord.read(from: &broken) else {
                Issue.record("bit \(bit) went unseen")
                continue
            }
        }
    }

    @Test func whatIsNoRecordIsNamed() {
        var zeros = ByteBuffer(repeating: 0, count: 64)
        #expect(StoredRecord.read(from: &zeros) == .unwritten)
        var blank = ByteBuffer()
        blank.writeMultipleIntegers(Int32(500), RecordLayout.blankMagic)
        #expect(StoredRecord.read(from: &blank) == .blank(size: 500))
        var noise = ByteBuffer(repeating: 0x5A, count: 200)
        #expect(StoredRecord.read(from: &noise) == .malformed("magic 0x5a5a5a5a"))
        var lying = ByteBuffer()
        Self.draft().encode(into: &lying, queueOffset: 0, logOffset: 0, storeTimestamp: 0)
        lying.setInteger(Int32(1000), at: RecordLayout.bornHostOffset + 8 + 8 + 8 + 4 + 8)
        guard case .malformed = StoredRecord.read(from: &lying) else {
            Issue.record("a body longer than its record was read")
            return
        }
    }

    @Test func apachesLogIsReadAndWrittenAgainToTheByte() throws {
        var log = try ByteBuffer(bytes: Self.apacheLog())
        var count = 0
        while true {
            let before = log
            guard case .record(let record) = StoredRecord.read(from: &log) else { break }
            #expect(record.logOffset == Int64(before.readerIndex))
            #expect(UniqueMessageID(record.properties["UNIQ_KEY"] ?? "")?.description == record.properties["UNIQ_KEY"])
            #expect(record.properties.text == String(buffer: record.encodedProperties))
            var again = ByteBuffer()
            record.draft().encode(
                into: &again, queueOffset: record.queueOffset, logOffset: record.logOffset,
                storeTimestamp: record.storeTimestamp)
            #expect(again == before.getSlice(at: before.readerIndex, length: Int(record.totalSize)))
            count += 1
        }
        #expect(count > 80)
        #expect(log.readableBytes < 400)
    }
}

@Suite struct RecordPartsTests {
    @Test func checksumAndHashAreJavas() {
        let text = Array("123456789".utf8)
        #expect(text.withUnsafeBytes { BodyChecksum.crc32($0) } == 0xCBF4_3926)
        #expect(BodyChecksum.body(ByteBuffer(string: "123456789")) == 0x4BF4_3926)
        #expect(BodyChecksum.body(ByteBuffer()) == 0)
        #expect(JavaStringHash.hash("TagA") == 2_598_919)
        #expect(JavaStringHash.hash("") == 0)
        #expect(JavaStringHash.hash("polygenelubricants") == Int32.min)
    }

    /// By folding, where the processor can, and by tables; of every length, from every place in memory.
    @Test func bothWaysOfSummingAgree() {
        let bytes = (0..<1200).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 >> 3) }
        bytes.withUnsafeBytes { all in
            for start in [0, 1, 7, 15] {
                for count in 0..<1100 {
                    let part = UnsafeRawBufferPointer(rebasing: all[start..<(start + count)])
                    let expected = ~BodyChecksum.sliced(part, from: 0xFFFF_FFFF)
                    guard BodyChecksum.crc32(part) != expected else { continue }
                    Issue.record("\(count) bytes from \(start): \(BodyChecksum.crc32(part)), by tables \(expected)")
                }
            }
        }
    }

    @Test func propertiesReadWithAndWithoutTheLastSeparator() {
        let open = MessageProperties(text: "A\u{1}1\u{2}B\u{1}2")
        let closed = MessageProperties(text: "A\u{1}1\u{2}B\u{1}2\u{2}")
        #expect(open == closed && open.text == "A\u{1}1\u{2}B\u{1}2")
        #expect(MessageProperties(text: "junk\u{2}A\u{1}1").dictionary == ["A": "1"])
        #expect(MessageProperties.value(of: "B", in: ByteBuffer(string: closed.text)) == "2")
        #expect(MessageProperties.value(of: "C", in: ByteBuffer(string: closed.text)) == nil)
        var changed = open
        changed["A"] = nil
        changed["C"] = "3"
        #expect(changed.text == "B\u{1}2\u{2}C\u{1}3")
    }

    @Test func batchItemsComeBackAndALyingLengthIsRefused() {
        let items = (0..<5).map {
            BatchBody.Item(flag: $0, body: ByteBuffer(string: "m\($0)"), properties: ByteBuffer(string: "K\u{1}\($0)"))
        }
        var body = ByteBuffer()
        BatchBody.encode(items, into: &body)
        #expect(BatchBody.decode(body) == items)
        for length in 1..<(BatchBody.fixedSize + 5) {
            #expect(BatchBody.decode(body.getSlice(at: 0, length: length) ?? body) == nil)
        }
    }

    @Test func idsRoundTrip() {
        let id = OffsetMessageID(host: RecordHost(address: [127, 0, 0, 1], port: 10911), logOffset: 0xAD)
        #expect(id.description == "7F00000100002A9F00000000000000AD")
        #expect(OffsetMessageID(id.description) == id)
        #expect(OffsetMessageID("xyz") == nil)
        let wide = OffsetMessageID(host: RecordHost(address: [UInt8](repeating: 1, count: 16), port: 1), logOffset: 2)
        #expect(OffsetMessageID(wide.description) == wide)
    }

    @Test func uniqueIdsCountFromTheBeginningOfTheMonth() {
        let generator = UniqueMessageIDGenerator(address: [127, 0, 0, 1], processID: 70_000, loaderHash: 5)
        // 2026-11-22 00:00:01.500 UTC
        let first = generator.next(nowMilliseconds: 1_795_305_601_500)
        let second = generator.next(nowMilliseconds: 1_795_305_601_500)
        #expect(first.monthMilliseconds == 21 * 86_400_000 + 1_500)
        #expect(first.processID == UInt16(70_000 - 65_536))
        #expect(second.counter == first.counter + 1)
        #expect(UniqueMessageID(first.description) == first && first.description.utf8.count == 32)
    }
}

/// What a broker does to most messages' properties without a list of them is what the list would come to.
@Suite struct SplicedPropertiesTests {
    @Test(arguments: [
        "", "A\u{1}1", "A\u{1}1\u{2}", "WAIT\u{1}true\u{2}A\u{1}1", "A\u{1}1\u{2}WAIT\u{1}false\u{2}CLUSTER\u{1}x",
        "WAITING\u{1}1\u{2}WAI\u{1}2\u{2}CLUSTER\u{1}\u{2}", "\u{2}\u{2}A\u{1}\u{2}\u{1}v\u{2}noname\u{2}B\u{1}2",
        "KEYS\u{1}a b\u{2}UNIQ_KEY\u{1}7F00000100002A9F\u{2}WAIT\u{1}true\u{2}TAGS\u{1}t",
        "V\u{1}a\u{1}b\u{2}W\u{1}ä\u{1F600}",
    ])
    func itIsWhatTheListWouldBe(_ text: String) {
        var list = MessageProperties(text: text)
        list["WAIT"] = nil
        list["CLUSTER"] = nil
        list["CLUSTER"] = "c1"
        let spliced = MessageProperties.spliced(text, without: "WAIT", "CLUSTER", adding: "CLUSTER", "c1")
        #expect(String(buffer: spliced) == list.text)
        for name in ["A", "B", "WAIT", "KEYS"] {
            #expect(MessageProperties(spliced)[name] == list[name])
        }
        #expect(MessageProperties.value(of: "WAIT", inText: text) == MessageProperties(text: text)["WAIT"])
    }

    @Test func anOffsetIDHasItsDigits() {
        let four = RecordHost(address: [127, 0, 0, 1], port: 10911)
        #expect(OffsetMessageID(host: four, logOffset: 0x1234_ABCD).description == "7F00000100002A9F000000001234ABCD")
        let six = RecordHost(address: [0xFE, 0x80] + Array(repeating: 0, count: 13) + [9], port: 1)
        let id = OffsetMessageID(host: six, logOffset: 255)
        #expect(id.description == "FE800000000000000000000000000009" + "00000001" + "00000000000000FF")
        #expect(OffsetMessageID(id.description) == id)
    }
}
