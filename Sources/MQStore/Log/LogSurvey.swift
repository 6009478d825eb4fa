import MQWire

/// Walks a log to its end and passes over what is damaged in its middle.
///
/// At a place where no sound record stands there are two possibilities:
///
/// 1. No sound record stands anywhere behind it: a write was cut short there, and the log ends before it. What is behind
///    was never promised to anyone.
/// 2. A sound record stands behind it: the place is damaged, by rot, or by a power cut that kept a later write and lost
///    an earlier one. What is behind is kept, the place is named, and the walk goes on.
struct LogSurvey {
    /// What the walk meets, in the log's order.
    enum Event: Sendable {
        /// A sound record.
        case record(StoredRecord)
        /// A damaged place with something sound behind it. The record, when its lengths are sound, cannot be trusted.
        case damage(Range<Int64>, StoredRecord?)
        /// The log's end; the reason says what stands there instead of nothing.
        case end(Int64, tornReason: String?)
    }

    private var reader: LogReader
    /// Where the last sound thing ended.
    private var soundEnd: Int64
    private var suspects: [(range: Range<Int64>, record: StoredRecord?)] = []
    private var ready: [Event] = []
    private var firstReason: String?
    private let keepsTail: Bool

    /// The places that may be damaged one after another before something sound must come.
    private static let suspectLimit = 1 << 20

    /// Begins at `position`.
    ///
    /// - Parameter keepsTail: whether records that are damaged at the very end are kept as well: after a clean stop they
    ///   were whole once.
    init(_ source: LogReader.Source, from position: Int64, keepsTail: Bool) {
        reader = LogReader(source, position: position)
        soundEnd = position
        self.keepsTail = keepsTail
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
            confirm()
            ready.append(.record(record))
            soundEnd = reader.position
        case .damaged(let record):
            suspect(position..<reader.position, record, reason: "the body does not have its sum")
        case .nextSegment: if suspects.isEmpty { soundEnd = reader.position }
        case .unwritten: try search(from: position, reason: nil)
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
            if keepsTail { keepTail() }
            ready.append(.end(soundEnd, tornReason: suspects.isEmpty ? reason : firstReason))
        }
    }

    /// Keeps the damaged records that follow the last sound one without a gap.
    private mutating func keepTail() {
        while let (range, record) = suspects.first, range.lowerBound == soundEnd, record != nil {
            ready.append(.damage(range, record))
            soundEnd = range.upperBound
            suspects.removeFirst()
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
