import MQWire
import NIOCore
import Testing

@testable import MQReplication

/// The pure half: what is cut out of a stream, and who waits for whom.
@Suite struct StreamTests {
    static func record(_ offset: Int64, body: String) -> ByteBuffer {
        var buffer = ByteBuffer()
        RecordDraft(
            topic: "t", queueID: 0, bornTimestamp: 1, bornHost: .loopback, storeHost: .loopback,
            body: ByteBuffer(string: body), properties: ByteBuffer()
        ).encode(into: &buffer, queueOffset: 0, logOffset: offset, storeTimestamp: 1 << 41)
        return buffer
    }

    /// Three records, filler, and one in the next segment of 4096 bytes.
    private static func log() -> (bytes: ByteBuffer, bounds: [Int64]) {
        var log = ByteBuffer()
        var bounds: [Int64] = []
        for length in [10, 700, 0] {
            bounds.append(Int64(log.readableBytes))
            var next = record(Int64(log.readableBytes), body: String(repeating: "x", count: length))
            log.writeBuffer(&next)
        }
        bounds.append(Int64(log.readableBytes))
        let filler = 4096 - log.readableBytes
        log.writeMultipleIntegers(Int32(filler), RecordLayout.blankMagic)
        log.writeRepeatingByte(7, count: filler - 8)
        bounds.append(4096)
        var last = record(4096, body: "last")
        log.writeBuffer(&last)
        return (log, bounds)
    }

    private static func frames(of log: ByteBuffer, sizes: Int, heartbeats: Bool = true) -> ByteBuffer {
        var rest = log
        var stream = ByteBuffer()
        var offset: Int64 = 0
        while let part = rest.readSlice(length: min(sizes, rest.readableBytes)), part.readableBytes > 0 {
            if heartbeats {
                var beat = HAFrame.head(logOffset: offset, size: 0)
                stream.writeBuffer(&beat)
            }
            var head = HAFrame.head(logOffset: offset, size: part.readableBytes)
            stream.writeBuffer(&head)
            stream.writeImmutableBuffer(part)
            offset += Int64(part.readableBytes)
        }
        return stream
    }

    /// However frames and reads are cut, whole records come out, at their places, and of filler its head alone.
    @Test(arguments: [1, 7, 8, 100, 1000, 1 << 16], [1, 5, 12, 333, 1 << 16])
    func wholeRecordsComeOut(frame: Int, read: Int) throws {
        let (log, bounds) = Self.log()
        var bytes = Self.frames(of: log, sizes: frame)
        var stream = ReplicaStream(position: nil)
        var out = ByteBuffer()
        var end: Int64 = 0
        while let part = bytes.readSlice(length: min(read, bytes.readableBytes)), part.readableBytes > 0 {
            for piece in try stream.feed(part) {
                #expect(bounds.contains(piece.logOffset) && piece.logOffset >= end)
                end = piece.logOffset + Int64(piece.bytes.readableBytes)
                out.writeImmutableBuffer(piece.bytes)
            }
        }
        var expected = ByteBuffer(buffer: log.getSlice(at: 0, length: Int(bounds[3]) + 8) ?? ByteBuffer())
        expected.writeImmutableBuffer(log.getSlice(at: 4096, length: log.readableBytes - 4096) ?? ByteBuffer())
        #expect(out == expected && stream.position == Int64(log.readableBytes))
    }

    @Test func whatIsNoStreamIsRefused() throws {
        var stream = ReplicaStream(position: 100)
        #expect(throws: ReplicaStream.Mistake.gap(expected: 100, got: 50)) {
            try stream.feed(HAFrame.head(logOffset: 50, size: 0))
        }
        stream = ReplicaStream(position: nil)
        #expect(throws: ReplicaStream.Mistake.frameSize(-1)) {
            try stream.feed(HAFrame.head(logOffset: 0, size: -1))
        }
        var frame = HAFrame.head(logOffset: 0, size: 8)
        frame.writeMultipleIntegers(Int32(500), UInt32(0x1234_5678))
        stream = ReplicaStream(position: nil)
        #expect(throws: ReplicaStream.Mistake.noRecord(at: 0, size: 500, magic: 0x1234_5678)) { try stream.feed(frame) }
    }

    /// RocketMQ's slave asks for its end, or by 0 for the last segment; ours for any place, by its complement.
    @Test(arguments: [(Int64(0), Int64(8192)), (300, 300), (9000, 9000), (~0, 0), (~4096, 4096)])
    func theFirstReportSaysWhere(report: Int64, start: Int64) {
        #expect(HAFrame.start(report: report, logEnd: 9000, segmentBytes: 4096) == start)
    }
}

@Suite struct AcknowledgementTests {
    @Test func oneReportAnswersAllThatItCovers() {
        var table = Acknowledgements<String>(furthestBehind: 1000)
        #expect(table.wait(for: 10, until: 99, "alone") == .unavailable)
        #expect(table.report(0, from: 1).isEmpty)
        for (end, name) in [(10, "a"), (30, "c"), (20, "b")] as [(Int64, String)] {
            #expect(table.wait(for: end, until: 99, name) == nil)
        }
        #expect(table.report(20, from: 1) == ["a", "b"] && table.count == 1)
        // One slave is enough, and what is there already need not be waited for.
        #expect(table.report(25, from: 2).isEmpty && table.wait(for: 25, until: 99, "d") == .copied)
        // The later of two reports may be the smaller one.
        #expect(table.report(24, from: 2).isEmpty && table.foremost == 25)
        #expect(table.report(30, from: 1) == ["c"])
    }

    @Test func whoWaitsTooLongIsTold() {
        var table = Acknowledgements<String>(furthestBehind: 1000)
        _ = table.report(0, from: 1)
        for (end, deadline) in [(10, 50), (20, 40), (30, 60)] as [(Int64, Int64)] {
            #expect(table.wait(for: end, until: deadline, "\(end)") == nil)
        }
        #expect(table.expire(now: 39).isEmpty)
        #expect(table.expire(now: 50) == ["10", "20"])
        #expect(table.report(30, from: 1) == ["30"] && table.giveUp().isEmpty)
    }

    @Test func aSlaveThatIsGoneOrFarBehindIsNone() {
        var table = Acknowledgements<String>(furthestBehind: 100)
        _ = table.report(0, from: 1)
        #expect(table.wait(for: 100, until: 9, "far") == .unavailable)
        #expect(table.wait(for: 99, until: 9, "near") == nil)
        _ = table.report(0, from: 2)
        #expect(table.left(1).isEmpty)
        #expect(table.left(2) == ["near"] && table.count == 0)
        #expect(table.wait(for: 50, until: 9, "x") == .unavailable && table.slaves == 0)
    }
}
