import MQWire
import NIOCore

/// Walks a log from a position, reading it in windows.
struct LogReader {
    /// The size of a segment in bytes.
    let segmentBytes: Int64
    /// Where the next step looks.
    private(set) var position: Int64
    private var window = ByteBuffer()
    private let fetch: (_ offset: Int64, _ count: Int) throws(StoreError) -> ByteBuffer

    /// The bytes read at once; a longer record is read in one piece of its own.
    static let windowBytes = 1 << 20

    /// Begins at `position`; `fetch` returns up to `count` bytes of one segment, fewer only where it ends.
    init(
        segmentBytes: Int64, position: Int64,
        fetch: @escaping (_ offset: Int64, _ count: Int) throws(StoreError) -> ByteBuffer
    ) {
        self.segmentBytes = segmentBytes
        self.position = position
        self.fetch = fetch
    }

    /// What stands at the position; moves behind a record, sound or damaged, and to the next segment after filler.
    mutating func next() throws(StoreError) -> LogWalk.Step {
        let segmentEnd = (position / segmentBytes + 1) * segmentBytes
        var reading = StoredRecord.read(from: &window)
        if case .truncated(let needed) = reading {
            let count = Int(min(Int64(max(needed, Self.windowBytes)), segmentEnd - position))
            window = try fetch(position, count)
            if window.readableBytes == 0 { return .unwritten }
            reading = StoredRecord.read(from: &window)
        }
        let step = LogWalk.judge(reading, position: position, segmentEnd: segmentEnd)
        switch step {
        case .record(let record): position += Int64(record.totalSize)
        case .damaged(let record):
            window.moveReaderIndex(forwardBy: Int(record.totalSize))
            position += Int64(record.totalSize)
        case .nextSegment(let start):
            position = start
            window.clear()
        case .unwritten, .torn: break
        }
        return step
    }
}
