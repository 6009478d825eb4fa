/// Which value an offset of a queue holds: 8 bytes an offset, in pages, since a queue need not begin at 0.
struct OffsetTable: Sendable {
    /// Which source says that a value stands at an offset.
    enum Source: Sendable {
        case acknowledgement, consumer, drain, scan
    }

    /// What an offset held before.
    struct Before: Sendable, Equatable {
        var key: ValueKey
        /// Whether a consumer was given it from here.
        var wasConsumed: Bool
        /// Whether the drain read it from here.
        var wasDrained: Bool

        var wasDelivered: Bool { wasConsumed || wasDrained }
    }

    private struct Page: Sendable {
        static let size = 64
        static let none = UInt64.max
        var keys = [UInt64](repeating: none, count: size)
        /// One bit for each offset of the page.
        var consumed: UInt64 = 0
        var drained: UInt64 = 0

        mutating func put(_ key: ValueKey, _ index: Int, _ source: Source) -> Before? {
            let bit: UInt64 = 1 << UInt64(index)
            let before =
                keys[index] == Self.none
                ? nil
                : Before(
                    key: ValueKey(bits: keys[index]), wasConsumed: consumed & bit != 0, wasDrained: drained & bit != 0)
            if before?.key != key {
                consumed &= ~bit
                drained &= ~bit
            }
            switch source {
            case .consumer: consumed |= bit
            case .drain: drained |= bit
            case .acknowledgement, .scan: break
            }
            keys[index] = key.bits
            return before
        }
    }

    private var pages: [Int64: Page] = [:]

    /// Puts a value at an offset, and gives the one that was there.
    mutating func put(_ key: ValueKey, at offset: Int64, _ source: Source) -> Before? {
        let index = Int(offset & Int64(Page.size - 1))
        return pages[offset >> 6, default: Page()].put(key, index, source)
    }
}
