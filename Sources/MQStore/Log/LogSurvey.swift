import MQWire

/// Walks a log to its end and passes over what is damaged in its middle.
///
/// At a place where no sound record stands there are two possibilities:
///
/// 1. No sound record stands anywhere behind it: a write was cut short there, and the log ends before it. What is behind
///    was never promised to anyone.
/// 2. A sound record stands behind it, and the place went bad, or was synced once: what is behind is kept, the place is
///    named, and the walk goes on.
/// 3. A sound record stands behind it, and a part of the place was never written (``UnwrittenPiece``), behind all that is
///    known to be synced: a power cut kept a later write and lost this earlier one. One sync covers a log in its order,
///    so that nothing behind was promised to anyone: the log ends there.
struct LogSurvey {
    /// What is known of a log before it is walked.
    enum Past: Sendable {
        /// It was stopped: records that are damaged at the very end were whole once, and are kept.
        case stopped
        /// Its process or machine died. Up to the offset it was synced: what is bad before is damage, and a piece that
        /// was never written behind ends it.
        case died(syncedTo: Int64)
        /// It is not known what was synced behind the offset, or somebody may be writing it.
        case unknown(syncedTo: Int64)
    }

    /// What the walk meets, in the log's order.
    enum Event: Sendable {
        /// A sound record.
        case record(StoredRecord)
        /// A damaged place with something sound behind it. The record, when its lengths are sound, cannot be trusted.
        case damage(Range<Int64>, StoredRecord?)
        /// The log's end; the reason says what stands there instead of nothing.
        case end(Int64, tornReason: String?)
    }

    /// How many sound records stand behind a piece that was never written, and go with it.
    private(set) var letGoRecords = 0

    private var reader: LogReader
    /// Where the last sound thing ended.
    private var soundEnd: Int64
    private var suspects: [Suspect] = []
    private var ready: [Ready] = []
    /// How many of ``ready`` were given out.
    private var given = 0
    private var firstReason: String?
    private let past: Past
    private let source: LogReader.Source
    private let unwritten: UnwrittenPiece

    /// A place that may be damaged. Of a record there only that it is one: what it holds is read once more when it is
    /// given out, or a long stretch of them would be in memory as a whole.
    private struct Suspect {
        var range: Range<Int64>
        var isRecord: Bool
    }

    private enum Ready {
        case record(StoredRecord)
        case damage(Suspect)
        case end(Int64, tornReason: String?)
    }

    /// The places that may be damaged one after another before something sound must come.
    private static let suspectLimit = 1 << 20
    /// How many events' room is kept for later ones.
    private static let keptEvents = 1 << 10

    /// Begins at `position`.
    init(_ source: LogReader.Source, from position: Int64, past: Past) {
        reader = LogReader(source, position: position)
        soundEnd = position
        self.past = past
        self.source = source
        unwritten = UnwrittenPiece(source: source)
    }

    /// The next event; the end is the last one.
    mutating func next() throws(StoreError) -> Event {
        while given == ready.count {
            ready.removeAll(keepingCapacity: ready.count < Self.keptEvents)
            given = 0
            try advance()
        }
        given += 1
        switch ready[given - 1] {
        case .record(let record): return .record(record)
        case .damage(let place): return .damage(place.range, try record(in: place))
        case .end(let end, let reason): return .end(end, tornReason: reason)
        }
    }

    /// The record of a damaged place, read once more.
    private func record(in place: Suspect) throws(StoreError) -> StoredRecord? {
        guard place.isRecord else { return nil }
        var bytes = try source.fetch(place.range.lowerBound, place.range.count)
        switch StoredRecord.read(from: &bytes) {
        case .record(let record), .checksumMismatch(let record):
            return record.logOffset == place.range.lowerBound && Int(record.totalSize) == place.range.count
                ? record : nil
        case .blank, .unwritten, .truncated, .malformed: return nil
        }
    }

    private mutating func advance() throws(StoreError) {
        let position = reader.position
        switch try reader.next() {
        case .record(let record):
            if try endsAtHole() { return }
            confirm()
            ready.append(.record(record))
            soundEnd = reader.position
        case .damaged: suspect(position..<reader.position, isRecord: true, reason: "the body does not have its sum")
        case .nextSegment: if suspects.isEmpty { soundEnd = reader.position }
        case .unwritten:
            let isUnreadable = source.isUnreadable(position..<position + Int64(RecordLayout.blankSize))
            try search(from: position, reason: isUnreadable ? "the disk cannot read it" : nil)
        case .torn(let reason): try search(from: position, reason: reason)
        }
    }

    private mutating func suspect(_ range: Range<Int64>, isRecord: Bool, reason: String?) {
        if firstReason == nil { firstReason = reason ?? "a piece was never written" }
        suspects.append(Suspect(range: range, isRecord: isRecord))
        if suspects.count >= Self.suspectLimit { confirm() }
    }

    private mutating func search(from position: Int64, reason: String?) throws(StoreError) {
        if let boundary = try reader.nextBoundary() {
            suspect(position..<boundary, isRecord: false, reason: reason)
            reader.resume(at: boundary)
        } else {
            keepTail()
            ready.append(.end(soundEnd, tornReason: suspects.isEmpty ? reason : firstReason))
        }
    }

    /// Keeps the damaged records that follow the last sound one without a gap, as far as they were whole once.
    private mutating func keepTail() {
        let wholeTo: Int64
        switch past {
        case .stopped: wholeTo = .max
        case .died(let synced), .unknown(let synced): wholeTo = synced
        }
        var kept = 0
        while kept < suspects.count, suspects[kept].range.lowerBound == soundEnd, suspects[kept].isRecord,
            suspects[kept].range.upperBound <= wholeTo
        {
            ready.append(.damage(suspects[kept]))
            soundEnd = suspects[kept].range.upperBound
            kept += 1
        }
        suspects.removeFirst(kept)
    }

    /// Something sound came: whether it stands behind a piece that no sync had reached and that was never written.
    ///
    /// Then the log ends with what is sound, or was synced, before: what is merely bad in between goes as well.
    private mutating func endsAtHole() throws(StoreError) -> Bool {
        guard case .died(let synced) = past else { return false }
        var hole: Range<Int64>?
        for place in suspects where hole == nil && place.range.upperBound > synced {
            if try unwritten.isIn(max(place.range.lowerBound, synced)..<place.range.upperBound) { hole = place.range }
        }
        guard let hole else { return false }
        var end = soundEnd
        for place in suspects.prefix(while: { $0.range.lowerBound < synced }) {
            let (range, isWhole) = (place.range, place.range.upperBound <= synced)
            ready.append(
                .damage(
                    Suspect(
                        range: range.lowerBound..<min(range.upperBound, synced), isRecord: isWhole && place.isRecord)))
            end = synced
        }
        try countRest()
        let reason =
            "a piece at \(hole.lowerBound) was never written; \(letGoRecords) records behind it, which no sync had "
            + "covered, go with it"
        ready.append(.end(end, tornReason: reason))
        return true
    }

    /// Counts the sound records from the one that was just read on.
    private mutating func countRest() throws(StoreError) {
        letGoRecords = 1
        while true {
            switch try reader.next() {
            case .record: letGoRecords += 1
            case .damaged, .nextSegment: continue
            case .unwritten, .torn:
                guard let boundary = try reader.nextBoundary() else { return }
                reader.resume(at: boundary)
            }
        }
    }

    /// Something sound came: what looked like a torn tail is damage in the middle.
    private mutating func confirm() {
        guard !suspects.isEmpty else { return }
        ready.append(contentsOf: suspects.map { .damage($0) })
        suspects = []
        firstReason = nil
    }
}
