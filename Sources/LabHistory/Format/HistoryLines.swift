/// Takes a history's bytes as they come from the disk, in chunks of any size, and gives its events.
///
/// A writer ends each line with a line feed in the same write. Bytes after the last line feed are therefore a line
/// that a crash tore: they are no event, and `finish()` tells of them so that the run is judged incomplete, not
/// the file damaged.
public struct HistoryLines: Sendable {
    /// What a file's end looked like.
    public enum Ending: Sendable, Equatable {
        case whole
        /// The last line was torn after so many bytes.
        case torn(line: Int, bytes: Int)
    }

    private var rest: [UInt8] = []
    private var nextLine = 1

    public init() {}

    /// Adds bytes, and hands each event that is now whole to `body` with its line number from 1.
    ///
    /// Empty lines are skipped but counted.
    /// - Throws: `HistoryError` for the first line that can't be read; nothing after it may be fed.
    public mutating func feed(
        _ chunk: some Collection<UInt8>, _ body: (HistoryEvent, Int) throws(HistoryError) -> Void
    ) throws(HistoryError) {
        // Copied once, for a search through a caller's own collection costs more than all the rest of a line's reading.
        let bytes = Array(chunk)
        var start = 0
        while let feed = Self.lineFeed(in: bytes, from: start) {
            rest.append(contentsOf: bytes[start..<feed])
            start = feed + 1
            if !rest.isEmpty { try body(HistoryFormat.decode(line: rest, number: nextLine), nextLine) }
            rest.removeAll(keepingCapacity: true)
            nextLine += 1
        }
        rest.append(contentsOf: bytes[start...])
        guard rest.count <= HistoryFormat.maximumLineBytes else {
            throw HistoryError(
                .lineTooLong, line: nextLine, "it has more than the limit of \(HistoryFormat.maximumLineBytes) bytes")
        }
    }

    private static func lineFeed(in bytes: [UInt8], from start: Int) -> Int? {
        bytes.withUnsafeBufferPointer { buffer in
            var index = start
            while index < buffer.count {
                if buffer[index] == UInt8(ascii: "\n") { return index }
                index += 1
            }
            return nil
        }
    }

    /// Tells how the file ended; call it after the last chunk.
    public func finish() -> Ending {
        rest.isEmpty ? .whole : .torn(line: nextLine, bytes: rest.count)
    }
}
