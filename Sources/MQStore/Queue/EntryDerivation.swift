import MQWire
import NIOCore
import Synchronization

/// Makes queue entries that the disk cannot read from the log, for an open store.
///
/// A start takes such a queue for lost and makes all of it anew; then nobody is served, and there is nothing to derive.
final class EntryDerivation: Sendable {
    private struct Place: Sendable {
        var log: SegmentChain
        var progress: StoreProgress
        var delayLevelMilliseconds: [Int64]
    }

    private let place = Mutex<Place?>(nil)

    /// From now on entries may be asked for.
    func begin(log: SegmentChain, progress: StoreProgress, delayLevelMilliseconds: [Int64]) {
        place.withLock {
            $0 = Place(log: log, progress: progress, delayLevelMilliseconds: delayLevelMilliseconds)
        }
    }

    /// Whether the store is open.
    var isPossible: Bool { place.withLock { $0 != nil } }

    /// The entries of places of a queue, as the log tells them; a place of which it tells nothing is lost.
    ///
    /// - Parameters:
    ///   - start: where a record stands that is before all of theirs; `nil` when none is known.
    ///   - end: where one stands that is behind.
    func entries(
        of key: QueueKey, at places: Range<Int64>, from start: Int64?, to end: Int64?
    ) throws(StoreError) -> [QueueEntry] {
        guard let place = place.withLock({ $0 }) else { preconditionFailure("entries are derived in an open store") }
        let end = min(end ?? .max, place.progress.writtenOffset)
        var found: [Int64: QueueEntry] = [:]
        var reader = LogReader(place.log.source, position: max(start ?? 0, place.log.firstOffset))
        while reader.position < end {
            switch try reader.next() {
            case .record(let record):
                // Of two the later one: the topic was made anew.
                guard Recovery.queue(of: record) == key, places.contains(record.queueOffset) else { continue }
                found[record.queueOffset] = QueueEntry(
                    record, delayLevelMilliseconds: place.delayLevelMilliseconds)
            case .damaged, .nextSegment: continue
            case .unwritten, .torn: reader.resume(at: try reader.nextBoundary() ?? end)
            }
        }
        var last = max(start ?? 0, place.log.firstOffset)
        return places.map { place in
            let entry = found[place] ?? .blank(before: last)
            last = entry.end
            return entry
        }
    }
}
