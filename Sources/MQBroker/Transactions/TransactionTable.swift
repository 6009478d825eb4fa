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
    /// Ended ones that ``savedOffsets`` has not passed: where their op entry is, `nil` while it is being written.
    private var ended: [Int64: Int64?] = [:]
    /// The next entries to read.
    private(set) var nextHalf: Int64
    private(set) var nextOp: Int64
    /// Every half before this one has ended.
    private var base: Int64

    init(nextHalf: Int64 = 0, nextOp: Int64 = 0) {
        self.nextHalf = nextHalf
        self.nextOp = nextOp
        base = nextHalf
    }

    var isFull: Bool { open.count >= Self.openLimit }

    /// A producer ends a transaction; `false` when it was ended before: a commit counts once, whoever repeats it.
    mutating func begin(_ offset: Int64) -> Bool {
        if ended[offset] != nil { return false }
        if offset < nextHalf, open[offset] == nil { return false }
        ended[offset] = .some(nil)
        return true
    }

    /// The end could not be stored: the transaction is open as before.
    mutating func abort(_ offset: Int64) { ended[offset] = nil }

    /// Halves before this one are too old and gone, and so are their transactions.
    mutating func skipHalves(before first: Int64) {
        guard first > nextHalf else { return }
        open = open.filter { $0.key >= first }
        ended = ended.filter { $0.key >= first }
        nextHalf = first
        base = max(base, first)
    }

    /// Ends before this one are too old and gone.
    mutating func skipEnds(before first: Int64) { nextOp = max(nextOp, first) }

    /// The half queue's next entry; `nil` for one that cannot be checked and is passed.
    mutating func sawHalf(_ half: Half?) {
        let isEnded = ended[nextHalf].map { $0 != nil } ?? false
        if let half, !isEnded { open[nextHalf] = half }
        nextHalf += 1
    }

    /// The op queue's next entry: the transaction of this half has ended; `nil` for one that says nothing.
    mutating func sawOp(endOf offset: Int64?) {
        if let offset, offset >= base {
            ended[offset] = nextOp
            open[offset] = nil
        }
        nextOp += 1
        prune()
    }

    /// What has to be asked or given up now. Asking counts, and the next time is a period later.
    mutating func due(now: Int64, periodMilliseconds: Int64, checkLimit: Int) -> [Due] {
        var due: [Due] = []
        for (offset, half) in open.sorted(by: { $0.key < $1.key }) where half.nextCheck <= now {
            // An end that is being written at this moment needs no question.
            guard ended[offset] == nil else { continue }
            due.append(Due(offset: offset, half: half, isExhausted: half.checks >= checkLimit))
            open[offset]?.checks += 1
            open[offset]?.nextCheck = now + periodMilliseconds
        }
        return due
    }

    /// From where both queues must be read after a restart: the first open half, and the first op entry of those behind
    /// it.
    var savedOffsets: (half: Int64, op: Int64) {
        let half = firstOpen
        return (half, ended.filter { $0.key >= half }.compactMap { $0.value }.min() ?? nextOp)
    }

    private var firstOpen: Int64 { open.keys.min() ?? nextHalf }

    private mutating func prune() {
        // Looking for the first is a walk; it pays when there is something to forget.
        guard ended.count > 2 * open.count + 64 else { return }
        base = firstOpen
        ended = ended.filter { $0.key >= base || $0.value == nil }
    }
}
