/// The half messages whose transactions are open. Pure: what the two system queues say comes in, what to ask producers
/// comes out.
///
/// A half message lies in the half queue until an entry of the op queue names its offset. Both queues are only read
/// forward; what must be read again after a restart is behind ``savedOffsets``.
struct TransactionTable: Sendable {
    /// An open transaction.
    struct Half: Sendable, Equatable {
        var logOffset: Int64
        var producerGroup: String
        /// When it is first due to be checked, milliseconds since 1970.
        var nextCheck: Int64
        /// How often its producer was asked.
        var checks = 0
    }

    /// What is due.
    struct Due: Sendable, Equatable {
        var offset: Int64
        var half: Half
        /// Nobody answered often enough: it is given up instead of asked for.
        var isExhausted: Bool
    }

    /// Open transactions at most; beyond, further halves are read once earlier ones have ended.
    static let openLimit = 1_000_000

    private(set) var open: [Int64: Half] = [:]
    /// Whose end is being stored at this moment.
    private var ending: Set<Int64> = []
    /// Halves that have ended and are not read yet. Of those that are read, whoever is not open has ended.
    private var early = OffsetSet()
    /// The least place of an end in the op queue, for each block of halves from ``firstOpen`` on: not one for each half,
    /// because behind one old half that stays open any number may begin and end.
    private var firstEnds: [Int64: Int64] = [:]
    /// The next entries to read.
    private(set) var nextHalf: Int64
    private(set) var nextOp: Int64
    /// The first open half, or ``nextHalf``.
    private var firstOpen: Int64

    /// Halves that share a block of ``firstEnds``.
    private static let blockHalves: Int64 = 1024

    init(nextHalf: Int64 = 0, nextOp: Int64 = 0) {
        self.nextHalf = nextHalf
        self.nextOp = nextOp
        firstOpen = nextHalf
    }

    var isFull: Bool { open.count >= Self.openLimit }

    /// Whether further ends may be read: not while too many of halves are known that are themselves not read yet.
    var mayReadEnds: Bool { early.wordCount < Self.earlyWordLimit }

    /// Words of 64 halves each that may have ended before they are read: 40 MiB.
    static let earlyWordLimit = 1 << 20

    /// What is remembered beside the open ones, in entries.
    var remembered: Int { ending.count + early.wordCount + firstEnds.count }

    /// A producer ends a transaction; `false` when it was ended before: a commit counts once, whoever repeats it.
    ///
    /// ``settle(_:)`` or ``abort(_:)`` follows.
    mutating func begin(_ offset: Int64) -> Bool {
        guard !ending.contains(offset) else { return false }
        guard offset < nextHalf ? open[offset] != nil : !early.contains(offset) else { return false }
        ending.insert(offset)
        return true
    }

    /// The end is stored; its entry in the op queue will come.
    mutating func settle(_ offset: Int64) {
        ending.remove(offset)
        end(offset)
    }

    /// The end could not be stored: the transaction is open as before.
    mutating func abort(_ offset: Int64) { ending.remove(offset) }

    /// Halves before this one are too old and gone, and so are their transactions.
    mutating func skipHalves(before first: Int64) {
        guard first > firstOpen else { return }
        open = open.filter { $0.key >= first }
        nextHalf = max(nextHalf, first)
        early.removeAll(before: nextHalf)
        firstOpen = first
        advance()
    }

    /// Ends before this one are too old and gone.
    mutating func skipEnds(before first: Int64) { nextOp = max(nextOp, first) }

    /// The half queue's next entry; `nil` for one that cannot be checked and is passed.
    mutating func sawHalf(_ half: Half?) {
        let hasEnded = early.remove(nextHalf)
        if let half, !hasEnded { open[nextHalf] = half }
        nextHalf += 1
        advance()
    }

    /// The op queue's next entry: the transaction of this half has ended; `nil` for one that says nothing.
    mutating func sawOp(endOf offset: Int64?) {
        if let offset, offset >= firstOpen {
            // Places only grow: the first one noted is the least.
            let block = offset / Self.blockHalves
            if firstEnds[block] == nil { firstEnds[block] = nextOp }
            end(offset)
        }
        nextOp += 1
    }

    /// What has to be asked or given up now. Asking counts, and the next time is a period later.
    mutating func due(now: Int64, periodMilliseconds: Int64, checkLimit: Int) -> [Due] {
        var due: [Due] = []
        // An end that is being written at this moment needs no question.
        for (offset, half) in open where half.nextCheck <= now && !ending.contains(offset) {
            due.append(Due(offset: offset, half: half, isExhausted: half.checks >= checkLimit))
        }
        due.sort { $0.offset < $1.offset }
        for item in due {
            open[item.offset]?.checks += 1
            open[item.offset]?.nextCheck = now + periodMilliseconds
        }
        return due
    }

    /// A question that was due could not be asked: it does not count.
    mutating func notAsked(_ offset: Int64) { open[offset]?.checks -= 1 }

    /// From where both queues must be read after a restart: the first open half, and an op entry before which none ends
    /// that one or a later one. What is read again without need does no harm.
    var savedOffsets: (half: Int64, op: Int64) {
        guard !open.isEmpty || !early.isEmpty else { return (firstOpen, nextOp) }
        return (firstOpen, firstEnds.values.min() ?? nextOp)
    }

    private mutating func end(_ offset: Int64) {
        if offset >= nextHalf { early.insert(offset) } else { open[offset] = nil }
        advance()
    }

    /// Moves ``firstOpen`` on, past what has ended: each half once.
    private mutating func advance() {
        let block = firstOpen / Self.blockHalves
        while firstOpen < nextHalf, open[firstOpen] == nil { firstOpen += 1 }
        let newBlock = firstOpen / Self.blockHalves
        guard newBlock > block, !firstEnds.isEmpty else { return }
        firstEnds = firstEnds.filter { $0.key >= newBlock }
    }
}

/// Offsets, many of them neighbours: a bit each. A value.
struct OffsetSet: Sendable {
    private var words: [Int64: UInt64] = [:]

    /// How many words of 64 neighbours hold one at least.
    var wordCount: Int { words.count }
    var isEmpty: Bool { words.isEmpty }

    func contains(_ offset: Int64) -> Bool { words[offset >> 6, default: 0] & Self.bit(offset) != 0 }

    mutating func insert(_ offset: Int64) { words[offset >> 6, default: 0] |= Self.bit(offset) }

    /// Takes an offset out; whether it was there.
    mutating func remove(_ offset: Int64) -> Bool {
        guard let word = words[offset >> 6], word & Self.bit(offset) != 0 else { return false }
        let rest = word & ~Self.bit(offset)
        words[offset >> 6] = rest == 0 ? nil : rest
        return true
    }

    /// Takes out what lies before an offset.
    mutating func removeAll(before first: Int64) {
        guard !words.isEmpty else { return }
        words = words.filter { $0.key >= first >> 6 }
        if let word = words[first >> 6] {
            let rest = word & ~(Self.bit(first) - 1)
            words[first >> 6] = rest == 0 ? nil : rest
        }
    }

    private static func bit(_ offset: Int64) -> UInt64 { 1 << UInt64(offset & 63) }
}
