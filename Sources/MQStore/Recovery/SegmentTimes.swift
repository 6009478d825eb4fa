import MQWire
import NIOCore

/// When a log's segments were written, told by their own records, of whose headers one may have gone bad.
///
/// The format has no sum over headers: a time may be anything. Of a segment's first three records' times the middle one
/// lies between those of sound ones, whichever of them is wrong.
enum SegmentTimes {
    /// The records looked at.
    private static let looks = 3

    /// When a segment was begun, milliseconds since 1970; `nil` when no record stands in it.
    static func beginning(of segment: Segment) throws(StoreError) -> Int64? {
        var reader = LogReader(segment.source, position: segment.baseOffset, verifiesChecksums: false)
        var times: [Int64] = []
        looking: while times.count < looks {
            switch try reader.next() {
            case .record(let record): times.append(record.storeTimestamp)
            case .damaged: continue
            case .nextSegment: break looking
            case .unwritten, .torn:
                guard let boundary = try reader.nextBoundary() else { break looking }
                reader.resume(at: boundary)
            }
        }
        // Of two the later one: what is taken for too old would be removed.
        return times.isEmpty ? nil : times.sorted()[times.count / 2]
    }

    /// For each of the first `count` segments the time after which nothing was stored in it: when a later one was begun.
    ///
    /// - Parameter last: the store time of the newest message, for a segment behind which no time can be read.
    static func newest(of segments: [Segment], count: Int, last: Int64) throws(StoreError) -> [Int64] {
        var newest: [Int64] = []
        var bound = last
        for segment in segments.prefix(count + 1).dropFirst().reversed() {
            if let time = try beginning(of: segment) { bound = min(bound, time) }
            newest.append(bound)
        }
        return newest.reversed()
    }
}

extension Segment {
    /// This segment alone as a log to walk.
    var source: LogReader.Source {
        LogReader.Source(
            segmentBytes: size, beginning: baseOffset,
            fetch: { [self] offset, count throws(StoreError) in
                var buffer = ByteBuffer()
                guard offset >= baseOffset, offset < endOffset else { return buffer }
                try read(at: offset, count: count, into: &buffer)
                return buffer
            },
            nextData: { [self] offset throws(StoreError) in
                guard offset < endOffset else { return nil }
                return try nextData(from: offset).map { max($0, offset) }
            }, places: places)
    }
}
