/// Reading on where the disk cannot read.
///
/// A sector that went bad makes the whole read fail that touches it. The read is halved until only such sectors are left;
/// each of them is asked once more, and then stands as zeros, so that the sum over a record there does not fit. Whoever
/// reads zeros as something else than damage has to ask which they are (``UnreadablePlaces``).
extension StorageFile {
    /// Reads like ``read(into:at:)``, with zeros for sectors that cannot be read.
    ///
    /// - Returns: the count, and the places of the file that zeros stand for, in order.
    func readAround(
        into target: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws(StoreError) -> (count: Int, unreadable: [Range<Int64>]) {
        // A sector at the file's end may be shorter, and what is behind it is not unreadable.
        let count = min(target.count, max(0, Int(try size() - offset)))
        var unreadable: [Range<Int64>] = []
        let done = try readHalves(
            into: UnsafeMutableRawBufferPointer(rebasing: target[..<count]), at: offset, &unreadable)
        return (done, unreadable)
    }

    private func readHalves(
        into target: UnsafeMutableRawBufferPointer, at offset: Int64, _ unreadable: inout [Range<Int64>]
    ) throws(StoreError) -> Int {
        do throws(StoreError) { return try read(into: target, at: offset) } catch {
            guard error.code == .unreadable else { throw error }
        }
        let end = offset + Int64(target.count)
        guard let middle = Self.middle(of: offset..<end) else {
            return try readSector(into: target, at: offset, &unreadable)
        }
        let half = Int(middle - offset)
        let first = try readHalves(into: .init(rebasing: target[..<half]), at: offset, &unreadable)
        guard first == half else { return first }
        return half + (try readHalves(into: .init(rebasing: target[half...]), at: middle, &unreadable))
    }

    private func readSector(
        into target: UnsafeMutableRawBufferPointer, at offset: Int64, _ unreadable: inout [Range<Int64>]
    ) throws(StoreError) -> Int {
        do throws(StoreError) { return try read(into: target, at: offset) } catch {
            guard error.code == .unreadable else { throw error }
        }
        target.initializeMemory(as: UInt8.self, repeating: 0)
        let end = offset + Int64(target.count)
        if let last = unreadable.last, last.upperBound == offset {
            unreadable[unreadable.count - 1] = last.lowerBound..<end
        } else {
            unreadable.append(offset..<end)
        }
        return target.count
    }

    /// Where a range of more than one sector is parted: at a sector's beginning; `nil` for a range within one.
    private static func middle(of range: Range<Int64>) -> Int64? {
        let sector = UnwrittenPiece.sectorBytes
        let middle = (range.lowerBound + range.upperBound) / 2 / sector * sector
        if middle > range.lowerBound { return middle }
        let next = (range.lowerBound / sector + 1) * sector
        return next < range.upperBound ? next : nil
    }

    /// Reads like ``read(into:at:)``, and asks once more when the disk cannot: for what is made anew when it is lost.
    func readTwice(into target: UnsafeMutableRawBufferPointer, at offset: Int64) throws(StoreError) -> Int {
        do throws(StoreError) { return try read(into: target, at: offset) } catch {
            guard error.code == .unreadable else { throw error }
        }
        return try read(into: target, at: offset)
    }
}
