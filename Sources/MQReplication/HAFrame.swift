import MQWire
import NIOCore

/// What goes over a slave's connection in RocketMQ 4.9's HA stream.
///
/// ```
/// master → slave   │ logOffset 8 │ size 4 │ size bytes of the log │   size 0 is a heartbeat
/// slave → master   │ logOffset 8 │   the end of the slave's log, whenever it moves and as a heartbeat
/// ```
///
/// The first report says where the slave wants the log from; 0 means the beginning of the master's last segment. That is
/// all that RocketMQ's own slave can ask for. Ours asks for any place of a log of ours, 0 among them, by the place's
/// complement, which is negative: RocketMQ's master waits for ever at such a report, so that only one is asked this way
/// that has said that it is ours.
enum HAFrame {
    /// The bytes of a frame's head.
    static let headBytes = 12
    /// The bytes of a report.
    static let reportBytes = 8
    /// The most bytes of the log in a frame: RocketMQ's slave has room for 4 MiB.
    static let maximumBytes = 4 << 20 - headBytes

    /// A frame's head.
    static func head(logOffset: Int64, size: Int) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeMultipleIntegers(logOffset, Int32(size))
        return buffer
    }

    /// Where a slave wants the log from, out of its first report.
    static func start(report: Int64, logEnd: Int64, segmentBytes: Int64) -> Int64 {
        if report < 0 { return ~report }
        return report == 0 ? logEnd - logEnd % segmentBytes : report
    }
}

/// Cuts a master's stream into whole records.
///
/// A frame ends wherever the master's buffer did; the store takes whole records. What is not whole yet is kept. Of a
/// segment's filler only the eight bytes that say so are given on.
struct ReplicaStream {
    /// Why a stream cannot be followed any longer.
    enum Mistake: Error, Equatable {
        /// A frame begins elsewhere than the one before ended.
        case gap(expected: Int64, got: Int64)
        /// A frame of such a size is none.
        case frameSize(Int)
        /// What stands there is no record.
        case noRecord(at: Int64, size: Int32, magic: UInt32)
    }

    /// Whole records, at their place.
    struct Piece: Equatable {
        var logOffset: Int64
        var bytes: ByteBuffer
    }

    /// Where the next byte of the log belongs; `nil` before the first frame, which may begin anywhere.
    private(set) var position: Int64?
    private var unread = ByteBuffer()
    /// The frame that has begun, and what is missing of it.
    private var missing = 0
    /// Bytes of the log that make no whole record yet.
    private var rest = ByteBuffer()
    /// What is still to come of a segment's filler.
    private var fillerLeft = 0

    /// What no record exceeds: a message of 16 MiB, its properties and its topic.
    private static let largestRecord: Int32 = 32 << 20

    /// Begins at the end of the slave's log; `nil` for an empty one, which takes what comes.
    init(position: Int64?) { self.position = position }

    /// Takes bytes as they came, and gives what became whole by them, in order.
    mutating func feed(_ bytes: ByteBuffer) throws(Mistake) -> [Piece] {
        var bytes = bytes
        unread.writeBuffer(&bytes)
        var pieces: [Piece] = []
        while true {
            if missing == 0 {
                guard let (offset, size) = unread.readMultipleIntegers(as: (Int64, Int32).self) else { break }
                guard size >= 0, size <= 64 << 20 else { throw .frameSize(Int(size)) }
                // RocketMQ's heartbeat names the next place, too.
                let expected = position ?? offset
                guard offset == expected else { throw .gap(expected: expected, got: offset) }
                if size > 0 { position = offset }
                missing = Int(size)
                continue
            }
            guard let part = unread.readSlice(length: min(missing, unread.readableBytes)), part.readableBytes > 0
            else { break }
            missing -= part.readableBytes
            try take(part, into: &pieces)
        }
        unread.discardReadBytes()
        return pieces
    }

    private mutating func take(_ part: ByteBuffer, into pieces: inout [Piece]) throws(Mistake) {
        var part = part
        guard let start = position else { return }
        position = start + Int64(part.readableBytes)
        rest.writeBuffer(&part)
        skipFiller()
        /// How much of `rest` is whole.
        var length = 0
        func give(_ count: Int) {
            let offset = restOffset
            guard count > 0, let bytes = rest.readSlice(length: count) else { return }
            pieces.append(Piece(logOffset: offset, bytes: bytes))
        }
        while let size = rest.getInteger(at: rest.readerIndex + length, as: Int32.self),
            let magic = rest.getInteger(at: rest.readerIndex + length + 4, as: UInt32.self)
        {
            switch magic {
            case RecordLayout.magic where size >= RecordLayout.minimumSize && size <= Self.largestRecord: break
            case RecordLayout.blankMagic where size >= RecordLayout.blankSize: break
            default: throw .noRecord(at: restOffset + Int64(length), size: size, magic: magic)
            }
            if magic == RecordLayout.blankMagic {
                give(length + RecordLayout.blankSize)
                length = 0
                fillerLeft = Int(size) - RecordLayout.blankSize
                skipFiller()
            } else {
                guard rest.readableBytes - length >= Int(size) else { break }
                length += Int(size)
            }
        }
        give(length)
        rest.discardReadBytes()
    }

    /// Where ``rest`` begins in the log.
    private var restOffset: Int64 { (position ?? 0) - Int64(rest.readableBytes) }

    private mutating func skipFiller() {
        let skipped = min(fillerLeft, rest.readableBytes)
        rest.moveReaderIndex(forwardBy: skipped)
        fillerLeft -= skipped
    }
}
