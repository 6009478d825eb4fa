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
        /// Nothing: it is not known what was synced, or somebody may be writing it.
        case unknown
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

    private let source: LogReader.Source
    private var reader: LogReader
    /// Where the last sound thing ended.
    private var soundEnd: Int64
    private var suspects: [(range: Range<Int64>, record: StoredRecord?)] = []
    private var ready: [Event] = []
    private var firstReason: String?
    private let past: Past
    private let unwritten: UnwrittenPiece

    /// The places that may be damaged one after another before something sound must come.
    private static let suspectLimit = 1 << 20

    /// Begins at `position`.
    init(_ source: LogReader.Source, from position: Int64, past: Past) {
        self.source = source
        reader = LogReader(source, position: position)
        soundEnd = position
        self.past = past
        unwritten = UnwrittenPiece(source: source)
    }

    /// The next event; the end is the last one.
    mutating func next() throws(StoreError) -> Event {
        while ready.isEmpty { try advance() }
        return ready.removeFirst()
    }

    private mutating func advance() throws(StoreError) {
        let position = reader.position
        switch try reader.next() {
        case .record(let record):
            if try endsAtHole() { return }
            confirm()
            ready.append(.record(record))
            soundEnd = reader.position
        case .damaged(let record):
            suspect(position..<reader.position, record, reason: "the body does not have its sum")
        case .nextSegment: if suspects.isEmpty { soundEnd = reader.position }
        case .unwritten:
            let isUnreadable = source.isUnreadable(position..<position + Int64(RecordLayout.blankSize))
            try search(from: position, reason: isUnreadable ? "the disk cannot read it" : nil)
        case .torn(let reason): try search(from: position, reason: reason)
        }
    }

    private mutating func suspect(_ range: Range<Int64>, _ record: StoredRecord?, reason: String?) {
        if firstReason == nil { firstReason = reason ?? "a piece was never written" }
        suspects.append((range, record))
        if suspects.count >= Self.suspectLimit { confirm() }
    }

    private mutating func search(from position: Int64, reason: String?) throws(StoreError) {
        if let boundary = try reader.nextBoundary() {
            suspect(position..<boundary, nil, reason: reason)
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
        case .died(let synced): wholeTo = synced
        case .unknown: return
        }
        while let (range, record) = suspects.first, range.lowerBound == soundEnd, record != nil,
            range.upperBound <= wholeTo
        {
            ready.append(.damage(range, record))
            soundEnd = range.upperBound
            suspects.removeFirst()
        }
    }

    /// Something sound came: whether it stands behind a piece that no sync had reached and that was never written.
    ///
    /// Then the log ends with what is sound, or was synced, before: what is merely bad in between goes as well.
    private mutating func endsAtHole() throws(StoreError) -> Bool {
        guard case .died(let synced) = past else { return false }
        var hole: Range<Int64>?
        for (range, _) in suspects where hole == nil && range.upperBound > synced {
            if try unwritten.isIn(max(range.lowerBound, synced)..<range.upperBound) { hole = range }
        }
        guard let hole else { return false }
        var end = soundEnd
        for (range, record) in suspects.prefix(while: { $0.range.lowerBound < synced }) {
            let isWhole = range.upperBound <= synced
            ready.append(.damage(range.lowerBound..<min(range.upperBound, synced), isWhole ? record : nil))
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
        ready.append(contentsOf: suspects.map { .damage($0.range, $0.record) })
        suspects = []
        firstReason = nil
    }
}
