import Glibc

@testable import MQStore

/// What is written, synced and lost of one file.
extension SimulatedDisk.Inode {
    private static var sector: Int { SimulatedDisk.sectorBytes }

    private func slice(_ bytes: [UInt8], _ sector: Int) -> [UInt8] {
        let start = sector * Self.sector
        guard start < bytes.count else { return [] }
        return Array(bytes[start..<min(bytes.count, start + Self.sector)])
    }

    private static let zeros = [UInt8](repeating: 0, count: SimulatedDisk.sectorBytes)

    private static func isZero(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        guard !range.isEmpty else { return true }
        return bytes.withUnsafeBytes { all in
            all.baseAddress.map { memcmp($0 + range.lowerBound, zeros, range.count) == 0 } ?? true
        }
    }

    /// Whether a range touches a sector that cannot be read, or, `partly`, one that it does not cover.
    func isUnreadable(_ offset: Int, _ count: Int, partly: Bool) -> Bool {
        guard !unreadable.isEmpty, count > 0 else { return false }
        return ((offset / Self.sector)...((offset + count - 1) / Self.sector)).contains { sector in
            let end = min((sector + 1) * Self.sector, cached.count)
            return unreadable.contains(sector)
                && !(partly && offset <= sector * Self.sector && offset + count >= end)
        }
    }

    /// Writes into the cache and keeps the versions of the sectors it touched.
    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        guard !bytes.isEmpty else { return }
        if cached.count < offset + bytes.count { setLength(offset + bytes.count) }
        cached.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        for sector in (offset / Self.sector)...((offset + bytes.count - 1) / Self.sector) {
            note(sector)
            unreadable.remove(sector)
        }
        let block = SimulatedDisk.blockBytes
        for index in (offset / block)...((offset + bytes.count - 1) / block) { blocks.insert(index) }
    }

    /// Keeps what a sector holds now.
    private mutating func note(_ sector: Int) {
        versions[sector, default: []].append(.init(bytes: slice(cached, sector), number: writes))
        writes += 1
    }

    mutating func setLength(_ length: Int) {
        if length < cached.count {
            for sector in (length / Self.sector)..<((cached.count + Self.sector - 1) / Self.sector) {
                let start = max(length, sector * Self.sector)
                let end = min(cached.count, (sector + 1) * Self.sector)
                let isGone = start >= durable.count || Self.isZero(durable, start..<min(end, durable.count))
                guard start < end, !isGone || !Self.isZero(cached, start..<end) else { continue }
                cached.replaceSubrange(start..<end, with: repeatElement(0, count: end - start))
                note(sector)
            }
            cached.removeLast(cached.count - length)
            blocks = blocks.filter { $0 * SimulatedDisk.blockBytes < length }
            unreadable = unreadable.filter { $0 * Self.sector < length }
        } else {
            // An array is copied at once, also without the optimiser.
            cached.append(contentsOf: [UInt8](repeating: 0, count: length - cached.count))
        }
        lengths.append(length)
    }

    /// Brings to the disk what was written since the last sync; of a failing one only what chance keeps.
    mutating func sync(keeping isKept: (Int) -> Bool = { _ in true }) {
        resizeDurable(cached.count)
        for sector in versions.keys.sorted() where isKept(sector) { replaceDurable(sector, slice(cached, sector)) }
        versions = [:]
        lengths = []
    }

    private mutating func resizeDurable(_ length: Int) {
        if durable.count > length { durable.removeLast(durable.count - length) }
        durable.append(contentsOf: [UInt8](repeating: 0, count: max(0, length - durable.count)))
    }

    private mutating func replaceDurable(_ sector: Int, _ bytes: [UInt8]) {
        let start = sector * Self.sector
        let count = min(bytes.count, durable.count - start)
        if count > 0 { durable.replaceSubrange(start..<start + count, with: bytes.prefix(count)) }
    }

    /// Makes the cache what a power cut leaves, and says what that came to.
    mutating func lose(mood: Int, _ random: inout SeededRandom) -> [String] {
        var met: Set<SimulationEvent> = []
        var (firstLost, lastKept) = (Int.max, -1)
        let known = [durable.count] + lengths
        let length = mood == 0 ? durable.count : mood == 1 ? cached.count : known[random.below(known.count)]
        if length != cached.count { met.insert(.lostLength) }
        resizeDurable(length)
        for sector in versions.keys.sorted() {
            guard let since = versions[sector], let newest = since.last else { continue }
            var all = [slice(durable, sector)] + since.map(\.bytes)
            for index in all.indices {
                all[index].append(contentsOf: repeatElement(0, count: Self.sector - all[index].count))
            }
            var choice = mood == 0 ? 0 : mood == 1 ? all.count - 1 : random.below(all.count)
            // Mostly the disk is up to date or behind by much; both ends are likelier than the middle.
            if mood > 3, random.percent(50) { choice = all.count - 1 }
            if choice < all.count - 1 {
                met.insert(.lostWrites)
                firstLost = min(firstLost, newest.number)
            } else {
                lastKept = max(lastKept, newest.number)
            }
            var bytes = all[choice]
            if mood > 1, choice > 0, random.percent(10) {
                let torn = random.below(Self.sector)
                bytes = Array(bytes[..<torn]) + all[choice - 1][torn...]
                met.insert(.tornSector)
            }
            replaceDurable(sector, bytes)
        }
        if firstLost < lastKept { met.insert(.reorderedWrites) }
        cached = durable
        versions = [:]
        lengths = []
        return met.map(\.rawValue)
    }
}
