import Synchronization

/// The sectors of a log that the disk could not read; zeros stand for them in what is read.
///
/// While a store starts, a sector counts at once: asked twice, it stays unread. In an open store it counts when it still
/// cannot be read a while after the first time, and until then the read fails: where a whole disk is away for a moment,
/// readers must not be led past what will be there again.
final class UnreadablePlaces: Sendable {
    private struct State {
        /// When each sector begins to count, on the clock's nanoseconds.
        var deadlines: [Int64: Int64] = [:]
        var patience: Int64 = 0
    }

    private let state = Mutex(State())
    private let count = Atomic<Int>(0)
    private let now: @Sendable () -> Int64

    /// How long an open store does not take a sector for lost, in nanoseconds: Linux gives a disk's command 30 s.
    static let patienceNanoseconds: Int64 = 30_000_000_000
    /// The most sectors, 32 MiB of them: a disk that cannot read so much is away, and not damaged.
    static let sectorLimit = 1 << 16

    private static let sectorBytes = UnwrittenPiece.sectorBytes

    /// - Parameter now: a monotonic clock in nanoseconds.
    init(now: @escaping @Sendable () -> Int64) { self.now = now }

    /// From now on a sector has to stay unreadable for a while before it counts.
    func becomePatient() { state.withLock { $0.patience = Self.patienceNanoseconds } }

    /// Whether there are none.
    var isEmpty: Bool { count.load(ordering: .relaxed) == 0 }

    /// Notes that ranges could not be read; whether all of them count.
    func note(_ ranges: [Range<Int64>]) -> Bool {
        let time = now()
        return state.withLock { state in
            defer { count.store(state.deadlines.count, ordering: .relaxed) }
            var doAllCount = true
            for range in ranges {
                for sector in Self.sectors(of: range) {
                    if let deadline = state.deadlines[sector] {
                        doAllCount = doAllCount && deadline <= time
                    } else {
                        guard state.deadlines.count < Self.sectorLimit else { return false }
                        state.deadlines[sector] = time + state.patience
                        doAllCount = doAllCount && state.patience == 0
                    }
                }
            }
            return doAllCount
        }
    }

    /// A range was read, written or cut: nothing of it is unreadable.
    func forget(_ range: Range<Int64>) {
        guard !isEmpty, !range.isEmpty else { return }
        state.withLock { state in
            let first = range.lowerBound / Self.sectorBytes
            let last = (range.upperBound - 1) / Self.sectorBytes
            state.deadlines = state.deadlines.filter { $0.key < first || $0.key > last }
            count.store(state.deadlines.count, ordering: .relaxed)
        }
    }

    /// Whether any of a range could not be read.
    func touches(_ range: Range<Int64>) -> Bool {
        guard !isEmpty, !range.isEmpty else { return false }
        return state.withLock { state in
            if state.deadlines.count < range.count / Int(Self.sectorBytes) {
                let sectors = Self.sectors(of: range)
                return state.deadlines.keys.contains { sectors.contains($0) }
            }
            return Self.sectors(of: range).contains { state.deadlines[$0] != nil }
        }
    }

    /// The first readable place from the offset on, when the sector that it lies within cannot be read; else itself.
    func readable(from offset: Int64) -> Int64 {
        guard !isEmpty, offset % Self.sectorBytes != 0 else { return offset }
        return state.withLock { state in
            var sector = offset / Self.sectorBytes
            guard state.deadlines[sector] != nil else { return offset }
            while state.deadlines[sector] != nil { sector += 1 }
            return sector * Self.sectorBytes
        }
    }

    /// The places, in order.
    var ranges: [Range<Int64>] {
        if isEmpty { return [] }
        var ranges: [Range<Int64>] = []
        for sector in state.withLock({ $0.deadlines.keys.sorted() }) {
            let range = sector * Self.sectorBytes..<(sector + 1) * Self.sectorBytes
            if let last = ranges.last, last.upperBound == range.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
            } else {
                ranges.append(range)
            }
        }
        return ranges
    }

    /// What is left of a range without them.
    func readableParts(of range: Range<Int64>) -> [Range<Int64>] {
        var parts: [Range<Int64>] = []
        var position = range.lowerBound
        for place in ranges where place.overlaps(range) {
            if place.lowerBound > position { parts.append(position..<place.lowerBound) }
            position = place.upperBound
        }
        if position < range.upperBound { parts.append(position..<range.upperBound) }
        return parts
    }

    private static func sectors(of range: Range<Int64>) -> Range<Int64> {
        range.lowerBound / sectorBytes..<(range.upperBound + sectorBytes - 1) / sectorBytes
    }
}
