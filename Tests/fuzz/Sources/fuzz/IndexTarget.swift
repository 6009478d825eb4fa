import MQWire
import NIOCore

/// What has a fixed size: an index file's header and entries, a consume queue's entries, ids.
enum IndexTarget {
    static func run(_ input: ByteBuffer) {
        if let header = IndexHeader(input) {
            let bytes = header.encoded
            expect(
                bytes.elementsEqual(input.readableBytesView.prefix(IndexLayout.headerBytes)),
                "\(header) did not come back")
            _ = header.overlaps(min(header.beginTimestamp, 0)...max(header.endTimestamp, 0))
            let seconds = IndexEntry.seconds(from: header.beginTimestamp, to: header.endTimestamp)
            expect(seconds >= 0, "\(seconds) s from \(header.beginTimestamp) to \(header.endTimestamp)")
        }
        var rest = input
        while let entry = IndexEntry(from: &rest) {
            var buffer = ByteBuffer()
            entry.write(to: &buffer)
            expect(IndexEntry(from: &buffer) == entry && buffer.readableBytes == 0, "\(entry) did not come back")
        }
        rest = input
        while let entry = QueueEntry(from: &rest) {
            var buffer = ByteBuffer()
            entry.write(to: &buffer)
            expect(QueueEntry(from: &buffer) == entry && buffer.readableBytes == 0, "\(entry) did not come back")
            expect(entry.end >= entry.logOffset, "\(entry) ends before it begins")
        }
        ids(String(buffer: input))
    }

    private static func ids(_ text: String) {
        if let id = OffsetMessageID(text) { expect(OffsetMessageID("\(id)") == id, "\(id) did not come back") }
        if let id = UniqueMessageID(text) { expect(UniqueMessageID("\(id)") == id, "\(id) did not come back") }
    }
}

/// What `QueueEntry` needs of the store's configuration.
enum DelayLevels {
    static let topic = "SCHEDULE_TOPIC_XXXX"
}
