import NIOCore
import SystemPackage

/// Entries in sectors that the disk cannot read, or that a failed sync may have kept from it.
extension ConsumeQueue {
    /// How many entries are looked at for a neighbour that says where in the log to look.
    private static let neighbours: Int64 = 64

    /// What was read of a window, with the entries that could not be read as the log tells them.
    ///
    /// - Returns: `nil` when all of it can be read by now, where it could not before.
    /// - Throws: ``StoreError/Code/unreadable`` while the store starts.
    func completed(_ window: [QueueEntry?], at offset: Int64) throws(StoreError) -> [QueueEntry?]? {
        guard derivation.isPossible else {
            throw StoreError(.unreadable, path: chain.directory, message: "pread", cause: .ioError)
        }
        let start = max(offset, minimumOffset)
        let range = start..<max(start, min(offset + Int64(window.count), maximumOffset))
        let bad = window.indices.filter { index in
            let place = offset + Int64(index)
            return isUnreadable(place) || isGivenUp && window[index] == nil && range.contains(place)
        }.map { offset + Int64($0) }
        guard let first = bad.first, let last = bad.last else { return isGivenUp ? window : nil }
        var window = window
        let places = max(first, range.lowerBound)..<max(min(last + 1, range.upperBound), max(first, range.lowerBound))
        let entries = try derived(places)
        for place in bad {
            let isServed = places.contains(place)
            window[Int(place - offset)] = isServed ? entries[Int(place - places.lowerBound)] : nil
        }
        return window
    }

    private func isUnreadable(_ place: Int64) -> Bool {
        let start = place * QueueEntry.encodedSize
        return chain.places.touches(start..<start + QueueEntry.encodedSize)
    }

    private func derived(_ places: Range<Int64>) throws(StoreError) -> [QueueEntry] {
        if let known = derivedEntries(places) { return known }
        let start = try neighbour(stride(from: places.lowerBound - 1, to: minimumOffset - 1, by: -1))
        let end = try neighbour(stride(from: places.upperBound, to: maximumOffset, by: 1))
        let entries = try derivation.entries(of: key, at: places, from: start, to: end)
        remember(entries, at: places.lowerBound)
        return entries
    }

    /// Where the record of the first of these places stands that can be read and is not lost.
    private func neighbour(_ places: StrideTo<Int64>) throws(StoreError) -> Int64? {
        for place in places.prefix(Int(Self.neighbours)) {
            var bytes = ByteBuffer()
            let isWhole = try chain.read(
                at: place * QueueEntry.encodedSize, count: Int(QueueEntry.encodedSize), into: &bytes)
            if isWhole, let entry = QueueEntry(from: &bytes), !entry.isBlank { return entry.logOffset }
        }
        return nil
    }
}
