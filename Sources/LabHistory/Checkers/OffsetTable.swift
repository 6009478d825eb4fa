/// Which value an offset of a queue holds: 8 bytes an offset, in pages, since a queue need not begin at 0.
struct OffsetTable: Sendable {
    /// What an offset held before.
    struct Before: Sendable, Equatable {
        var key: ValueKey
        /// Whether it was delivered from here, rather than acknowledged or found in a log here.
        var wasDelivered: Bool
    }

    private struct Page: Sendable {
        static let size = 64
        static let none = UInt64.max
        var keys = [UInt64](repeating: none, count: size)
        /// One bit for each offset of the page.
        var delivered: UInt64 = 0

        mutating func put(_ key: ValueKey, _ index: Int, _ isDelivery: Bool) -> Before? {
            let bit: UInt64 = 1 << UInt64(index)
            let before =
                keys[index] == Self.none
                ? nil : Before(key: ValueKey(bits: keys[index]), wasDelivered: delivered & bit != 0)
            if before?.key != key { delivered &= ~bit }
            if isDelivery { delivered |= bit }
            keys[index] = key.bits
            return before
        }
    }

    private var pages: [Int64: Page] = [:]

    /// Puts a value at an offset, and gives the one that was there.
    mutating func put(_ key: ValueKey, at offset: Int64, isDelivery: Bool) -> Before? {
        let index = Int(offset & Int64(Page.size - 1))
        return pages[offset >> 6, default: Page()].put(key, index, isDelivery)
    }
}
