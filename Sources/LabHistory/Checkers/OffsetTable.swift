/// Which value an offset of a queue holds: 8 bytes an offset, in pages, since a queue need not begin at 0.
struct OffsetTable: Sendable {
    private static let pageSize: Int64 = 64
    private var pages: [Int64: [ValueKey?]] = [:]

    /// Puts a value at an offset, and gives the one that was there.
    mutating func put(_ key: ValueKey, at offset: Int64) -> ValueKey? {
        let page = offset >> 6
        let index = Int(offset & (Self.pageSize - 1))
        if pages[page] == nil { pages[page] = Array(repeating: nil, count: Int(Self.pageSize)) }
        let before = pages[page]?[index]
        pages[page]?[index] = key
        return before ?? nil
    }
}
