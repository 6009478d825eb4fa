import MQWire
import NIOCore
import Synchronization
import Testing

@testable import MQStore

/// What a log's reader fetches, and what a survey keeps in memory.
@Suite struct LogReaderTests {
    private final class Fetches: Sendable {
        private let most = Mutex(0)
        var largest: Int { most.withLock { $0 } }
        func note(_ count: Int) { most.withLock { $0 = max($0, count) } }
    }

    /// A log that begins with these bytes, and holds zeros behind.
    private func source(_ bytes: ByteBuffer, segmentBytes: Int64, _ fetches: Fetches) -> LogReader.Source {
        LogReader.Source(segmentBytes: segmentBytes, beginning: 0) { offset, count throws(StoreError) in
            fetches.note(count)
            let end = min(Int(offset) + count, bytes.readableBytes)
            var found = offset < end ? bytes.getSlice(at: Int(offset), length: end - Int(offset)) ?? .init() : .init()
            found.writeRepeatingByte(0, count: count - found.readableBytes)
            return found
        } nextData: { offset throws(StoreError) in
            offset < bytes.readableBytes ? offset : nil
        }
    }

    private func append(_ bodyBytes: Int, to log: inout ByteBuffer) {
        var record = ByteBuffer()
        message("t", body: String(repeating: "x", count: bodyBytes))
            .encode(into: &record, queueOffset: 0, logOffset: Int64(log.readableBytes), storeTimestamp: 1 << 40)
        log.writeBuffer(&record)
    }

    /// Whatever stands before it, a record that is longer than a window is read whole.
    @Test func recordsLongerThanAWindowAreSound() throws {
        var log = ByteBuffer()
        for bytes in [2 << 20, 3 << 20, 100, (1 << 20) - 300, 2 << 20] { append(bytes, to: &log) }
        var reader = LogReader(source(log, segmentBytes: 16 << 20, Fetches()), position: 0)
        for index in 0..<5 {
            guard case .record = try reader.next() else { return #expect(Bool(false), "record \(index)") }
        }
        #expect(reader.position == Int64(log.readableBytes))
    }

    /// A size that went bad, within the segment and beyond: no more is read for it than for any place.
    @Test(arguments: [200 << 20, 1 << 30, Int(Int32.max)]) func aRottenSizeBoundsItsRead(size: Int) throws {
        var log = ByteBuffer()
        append(100, to: &log)
        let second = log.readableBytes
        append(100, to: &log)
        let third = log.readableBytes
        append(100, to: &log)
        log.setInteger(Int32(size), at: second)
        let fetches = Fetches()
        var reader = LogReader(source(log, segmentBytes: 1 << 30, fetches), position: 0)
        guard case .record = try reader.next(), case .torn = try reader.next() else {
            return #expect(Bool(false), "a record of \(size) bytes")
        }
        #expect(try reader.nextBoundary() == Int64(third))
        reader.resume(at: Int64(second) - 1)
        #expect(try reader.nextBoundary() == Int64(third))
        #expect(fetches.largest <= LogReader.windowBytes)
    }

    /// Hosts of the sixth version stand before the length of the body.
    @Test func aHeadWithLongHostsIsPossible() {
        var draft = message("t", body: String(repeating: "x", count: 2 << 20))
        for hosts in 0..<4 {
            if hosts & 1 != 0 { draft.bornHost = RecordHost(address: Array(repeating: 1, count: 16), port: 1) }
            if hosts & 2 != 0 { draft.storeHost = RecordHost(address: Array(repeating: 1, count: 16), port: 1) }
            var record = ByteBuffer()
            draft.encode(into: &record, queueOffset: 0, logOffset: 0, storeTimestamp: 1 << 40)
            #expect(RecordLayout.isPossibleHead(record), "\(hosts)")
            record.setInteger(Int32(3 << 20), at: 0)
            #expect(!RecordLayout.isPossibleHead(record), "\(hosts)")
        }
    }

    /// A stretch of a quarter of a million damaged records, then a sound one. To shift what waits with each event
    /// would take hours.
    @Test(.timeLimit(.minutes(2))) func aLongBadStretchIsPassedInTime() async throws {
        let (count, ended) = try await Self.onItsThread {
            var template = ByteBuffer()
            message("t", body: "x").encode(into: &template, queueOffset: 0, logOffset: 0, storeTimestamp: 1 << 40)
            let size = template.readableBytes
            let count = 1 << 18
            let source = LogReader.Source(segmentBytes: 1 << 30, beginning: 0) { offset, bytes throws(StoreError) in
                var found = ByteBuffer()
                let first = Int(offset) / size
                for index in first...(Int(offset) + bytes) / size where index <= count {
                    let start = found.writerIndex
                    found.writeImmutableBuffer(template)
                    found.setInteger(Int64(index * size), at: start + RecordLayout.logOffsetOffset)
                    if index < count { found.setInteger(UInt32(1), at: start + 8) }
                }
                found.moveReaderIndex(forwardBy: min(found.readableBytes, Int(offset) - first * size))
                found.writeRepeatingByte(0, count: max(0, bytes - found.readableBytes))
                return found.readSlice(length: bytes) ?? found
            } nextData: { offset throws(StoreError) in
                offset < Int64((count + 1) * size) ? offset : nil
            }
            var survey = LogSurvey(source, from: 0, past: .unknown(syncedTo: 0))
            var damaged = 0
            while true {
                switch try survey.next() {
                case .damage(let range, let record):
                    if record?.logOffset == range.lowerBound { damaged += 1 }
                case .record: continue
                case .end(let end, _): return (damaged, end == Int64((count + 1) * size))
                }
            }
        }
        #expect(count == 1 << 18 && ended)
    }

    private static func onItsThread<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await onThread { Swift.Result { try body() } }.get()
    }
}
