/// The time of one master: from when it began to serve until another one does, or until it begins anew.
///
/// Under `etcd` the number alone is unique. Under the other policies two brokers may both call themselves the next one; the
/// mark, which each store draws at random for itself, tells their records apart.
public struct Epoch: Sendable, Hashable, Comparable {
    public var number: Int64
    public var mark: UInt64

    public init(number: Int64, mark: UInt64) {
        self.number = number
        self.mark = mark
    }

    /// What a log has from before there were epochs.
    public static let none = Epoch(number: 0, mark: 0)

    public static func < (one: Epoch, other: Epoch) -> Bool { (one.number, one.mark) < (other.number, other.mark) }
}

/// In which epoch each byte of a log was first written.
///
/// It describes a log of which the store's is a beginning: a slave takes its master's table over before the bytes, so that an
/// entry may begin behind the end of the log. Before the first entry is ``Epoch/none``.
public struct EpochTable: Sendable, Hashable {
    /// An epoch, and where it begins in the log.
    public struct Entry: Sendable, Hashable {
        public var epoch: Epoch
        public var start: Int64

        public init(epoch: Epoch, start: Int64) {
            self.epoch = epoch
            self.start = start
        }
    }

    /// Rising in both.
    public private(set) var entries: [Entry]

    public init() { entries = [] }

    /// Entries as they were saved or sent; `nil` when they do not rise.
    public init?(_ entries: [Entry]) {
        for (one, next) in zip(entries, entries.dropFirst())
        where one.epoch >= next.epoch || one.start >= next.start { return nil }
        if let first = entries.first, first.epoch <= .none || first.start < 0 { return nil }
        self.entries = entries
    }

    /// The newest epoch, whether the log has anything of it or not.
    public var last: Epoch { entries.last?.epoch ?? .none }

    /// The epoch of the byte at an offset.
    public func epoch(at offset: Int64) -> Epoch { entries.last { $0.start <= offset }?.epoch ?? .none }

    /// Notes that an epoch begins at the log's end; one of which the log has nothing is forgotten.
    public mutating func begin(_ epoch: Epoch, at end: Int64) {
        precondition(epoch > last, "epoch \(epoch) does not follow \(last)")
        entries.removeAll { $0.start >= end }
        entries.append(Entry(epoch: epoch, start: end))
    }

    /// Forgets epochs of which a log beginning at `logStart` has nothing any more.
    public mutating func forget(before logStart: Int64) {
        let first = entries.lastIndex { $0.start <= logStart } ?? 0
        entries.removeFirst(first)
    }

    /// Where the entry's epoch ends in a log that ends at `logEnd`.
    fileprivate func end(ofEntryAt index: Int, logEnd: Int64) -> Int64 {
        index + 1 < entries.count ? min(entries[index + 1].start, logEnd) : logEnd
    }
}

/// What a replica has of the log.
public struct LogSpan: Sendable, Hashable {
    /// The first offset that is still there.
    public var start: Int64
    public var end: Int64
    public var epochs: EpochTable

    public init(start: Int64 = 0, end: Int64 = 0, epochs: EpochTable = EpochTable()) {
        self.start = start
        self.end = end
        self.epochs = epochs
    }

    /// The epoch of the last byte.
    public var lastEpoch: Epoch { end > 0 ? epochs.epoch(at: end - 1) : .none }

    /// Up to where two logs are the same.
    ///
    /// One epoch has one writer, and whoever copies from it has first cut what differs. So two logs that share an epoch share
    /// all that came before it, and of the newest one that they share as much as the shorter one has. Epochs of which a
    /// log has nothing are no obstacle: such a table says whose beginning the log is.
    public func commonEnd(with other: LogSpan) -> Int64 {
        let (own, their) = (epochs.entries, other.epochs.entries)
        var (index, otherIndex) = (own.count - 1, their.count - 1)
        while index >= 0, otherIndex >= 0 {
            if own[index] == their[otherIndex] {
                return min(
                    epochs.end(ofEntryAt: index, logEnd: end),
                    other.epochs.end(ofEntryAt: otherIndex, logEnd: other.end))
            }
            if own[index].epoch > their[otherIndex].epoch { index -= 1 } else { otherIndex -= 1 }
        }
        return min(own.first?.start ?? end, their.first?.start ?? other.end, end, other.end)
    }

    /// Whether this one is the better one to go on with: of a newer epoch, or longer in the same.
    public func isAhead(of other: LogSpan) -> Bool { (lastEpoch, end) > (other.lastEpoch, other.end) }
}
