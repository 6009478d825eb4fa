import NIOCore
import SystemPackage

/// One index file: written by one thread, searched by any.
///
/// Its header on disk is behind what is in memory and says only what is synced: after a crash, entries behind it do not
/// count. The slots reach the disk when the file is full or the store stops, since they follow from the entries.
final class IndexFile: Sendable {
    let path: FilePath
    let layout: IndexLayout
    private let file: any StorageFile
    private let state: DiskMutex<State>

    private struct State {
        var header: IndexHeader
        /// There while the file is written; afterwards the slots are read from it.
        var slots: SlotTable?
        var hasFailedSync = false
    }

    /// The entries read at once when the slots are made anew.
    private static let scanEntries = 16_384

    /// Makes an empty file without writing a block.
    init(making path: FilePath, layout: IndexLayout, io: any StorageIO) throws(StoreError) {
        self.path = path
        self.layout = layout
        file = try io.open(path, .write)
        try file.resize(to: layout.fileBytes)
        state = DiskMutex(State(header: IndexHeader(), slots: SlotTable(count: layout.slotCount)))
    }

    /// Opens a file that is there; `nil` when it has another size, or a header that cannot be.
    init?(opening path: FilePath, layout: IndexLayout, io: any StorageIO) throws(StoreError) {
        self.path = path
        self.layout = layout
        file = try io.open(path, .write)
        guard try file.size() == layout.fileBytes,
            let header = IndexHeader(try Self.read(file, at: 0, count: IndexLayout.headerBytes)),
            header.nextEntry <= UInt32(layout.entryCount), header.endOffset >= header.beginOffset
        else { return nil }
        state = DiskMutex(State(header: header, slots: nil))
    }

    /// What it holds.
    var header: IndexHeader { state.withLock { $0.header } }

    /// Whether a message of so many keys fits.
    func hasRoom(for keys: Int) -> Bool { Int(header.nextEntry) + keys <= layout.entryCount }

    // MARK: Writing

    /// Whether it takes messages.
    var isOpenForWriting: Bool { state.withLock { $0.slots != nil } }

    /// Makes the slots from the entries, so that the file can be written on; `false` when an entry cannot be right, or not
    /// be read.
    ///
    /// Who searches waits meanwhile: twenty million entries take about a second.
    func resume() throws(StoreError) -> Bool {
        let outcome: Result<Bool, StoreError> = state.withLock { state in
            do throws(StoreError) {
                let slots = SlotTable(count: layout.slotCount)
                guard let used = try fill(slots, for: state.header) else { return .success(false) }
                try readRest(behind: state.header)
                state.header.usedSlots = used
                state.slots = slots
                return .success(true)
            } catch {
                // Its entries follow from the log.
                return error.code == .unreadable ? .success(false) : .failure(error)
            }
        }
        return try outcome.get()
    }

    /// Reads what a crash left behind the last entry that counts: a sector that cannot be read takes no part of an entry.
    private func readRest(behind header: IndexHeader) throws(StoreError) {
        let bytes = Self.scanEntries * IndexLayout.entryBytes
        let sector = Int64(UnwrittenPiece.sectorBytes)
        var position = layout.position(ofEntry: header.nextEntry) / sector * sector
        while let data = try file.nextData(from: position), data < layout.fileBytes {
            position = max(position, data)
            let count = try Self.read(file, at: position, count: bytes).readableBytes
            guard count > 0 else { return }
            position += Int64(count)
        }
    }

    /// The count of slots in use; `nil` when an entry contradicts the header or those before it.
    private func fill(_ slots: SlotTable, for header: IndexHeader) throws(StoreError) -> Int32? {
        var used: Int32 = 0
        var previous = header.beginOffset
        var seconds: Int32 = 0
        var number: UInt32 = 1
        while number < header.nextEntry {
            let count = min(Self.scanEntries, Int(header.nextEntry - number))
            var bytes = try Self.read(file, at: layout.position(ofEntry: number), count: count * IndexLayout.entryBytes)
            guard bytes.readableBytes == count * IndexLayout.entryBytes else { return nil }
            while let entry = IndexEntry(from: &bytes) {
                guard entry.hash >= 0, entry.logOffset >= previous, entry.logOffset <= header.endOffset else {
                    return nil
                }
                let slot = layout.slot(of: entry.hash)
                guard slots[slot] == entry.older else { return nil }
                if entry.older == 0 { used += 1 }
                guard number > 1 || entry.logOffset == header.beginOffset else { return nil }
                previous = entry.logOffset
                seconds = entry.seconds
                slots[slot] = number
                number += 1
            }
        }
        // A header that was half written says what its entries do not.
        guard previous == header.endOffset,
            seconds == IndexEntry.seconds(from: header.beginTimestamp, to: header.endTimestamp)
        else { return nil }
        return used
    }

    /// Adds the keys of messages, in the log's order; all of them or, on an error, none.
    func append(_ messages: [IndexedMessage]) throws(StoreError) {
        let failure: StoreError? = state.withLock { state in
            guard let slots = state.slots else { preconditionFailure("\(path) is not open for writing") }
            let before = state.header
            var undo: [(slot: Int, older: UInt32)] = []
            var bytes = ByteBuffer()
            for message in messages {
                if state.header.isEmpty {
                    state.header.beginTimestamp = message.storeTimestamp
                    state.header.beginOffset = message.logOffset
                }
                state.header.endTimestamp = message.storeTimestamp
                state.header.endOffset = message.logOffset
                let seconds = IndexEntry.seconds(from: state.header.beginTimestamp, to: message.storeTimestamp)
                for hash in message.hashes {
                    let slot = layout.slot(of: hash)
                    let older = slots[slot]
                    undo.append((slot, older))
                    if older == 0 { state.header.usedSlots += 1 }
                    IndexEntry(hash: hash, logOffset: message.logOffset, seconds: seconds, older: older)
                        .write(to: &bytes)
                    slots[slot] = state.header.nextEntry
                    state.header.nextEntry += 1
                }
            }
            do throws(StoreError) {
                try file.write(Array(bytes.readableBytesView), at: layout.position(ofEntry: before.nextEntry))
                return nil
            } catch {
                for (slot, older) in undo.reversed() { slots[slot] = older }
                state.header = before
                return error
            }
        }
        if let failure { throw failure }
    }

    /// Makes what `header` says durable: first the entries, then the header that makes them count.
    func commit(_ header: IndexHeader) throws(StoreError) {
        try sync()
        try file.write(header.encoded, at: 0)
        try sync()
    }

    /// Whether a sync failed: nobody knows then what the disk holds, while a write that failed can be done again.
    var hasFailedSync: Bool { state.withLock { $0.hasFailedSync } }

    private func sync() throws(StoreError) {
        do throws(StoreError) { try file.sync() } catch {
            state.withLock { $0.hasFailedSync = true }
            throw error
        }
    }

    /// Makes the file complete on disk. It can be written on until ``release()``.
    func seal() throws(StoreError) {
        let failure: StoreError? = state.withLock { state in
            do throws(StoreError) {
                try state.slots?.write(to: file)
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
        try commit(header)
    }

    /// Gives the slots' memory back; from now on they are read from the sealed file.
    func release() { state.withLock { $0.slots = nil } }

    // MARK: Searching

    /// The log offsets of messages that have the hash and were stored within the times (to the second), newest first.
    func search(_ hash: Int32, within times: ClosedRange<Int64>, limit: Int) throws(StoreError) -> [Int64] {
        let slot = layout.slot(of: hash)
        let (header, inMemory) = state.withLock { ($0.header, $0.slots?[slot]) }
        guard header.overlaps(times) else { return [] }
        var next: UInt32
        if let inMemory { next = inMemory } else { next = try slotOnDisk(slot) }
        var found: [Int64] = []
        while next > 0, next < header.nextEntry, found.count < limit {
            var bytes = try Self.read(file, at: layout.position(ofEntry: next), count: IndexLayout.entryBytes)
            guard let entry = IndexEntry(from: &bytes) else { break }
            let stored = header.beginTimestamp + Int64(entry.seconds) * 1000
            // Seconds are cut off: a message may have been stored up to 999 ms later than its entry says.
            if stored + 999 < times.lowerBound { break }
            if entry.hash == hash, stored <= times.upperBound { found.append(entry.logOffset) }
            // A chain leads to older entries only; anything else is damage.
            guard entry.older < next else { break }
            next = entry.older
        }
        return found
    }

    private func slotOnDisk(_ slot: Int) throws(StoreError) -> UInt32 {
        let position = IndexLayout.slotsPosition + Int64(slot * 4)
        return try Self.read(file, at: position, count: 4).getInteger(at: 0, as: UInt32.self) ?? 0
    }

    private static func read(_ file: any StorageFile, at offset: Int64, count: Int) throws(StoreError) -> ByteBuffer {
        var buffer = ByteBuffer()
        var failure: StoreError?
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
            do throws(StoreError) {
                return try file.readTwice(into: .init(rebasing: target[..<count]), at: offset)
            } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        return buffer
    }
}
