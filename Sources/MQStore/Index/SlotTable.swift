import Glibc
import NIOCore

/// The slots of the file that is being written, in memory; pages nobody touched take none.
///
/// Not `Sendable`: whoever has it holds its file's lock.
final class SlotTable {
    private let slots: UnsafeMutablePointer<UInt32>
    private let count: Int
    /// Which pieces hold anything.
    private let used: UnsafeMutableBufferPointer<Bool>

    /// The slots written with one call.
    private static let pieceSlots = 1024

    init(count: Int) {
        guard let memory = calloc(count, MemoryLayout<UInt32>.stride) else {
            preconditionFailure("no memory for \(count) slots")
        }
        slots = memory.bindMemory(to: UInt32.self, capacity: count)
        self.count = count
        used = .allocate(capacity: (count + Self.pieceSlots - 1) / Self.pieceSlots)
        used.initialize(repeating: false)
    }

    deinit {
        free(slots)
        used.deallocate()
    }

    /// The newest entry of a slot; 0 when it has none.
    subscript(slot: Int) -> UInt32 {
        get {
            precondition(slot >= 0 && slot < count)
            return slots[slot]
        }
        set {
            precondition(slot >= 0 && slot < count)
            slots[slot] = newValue
            used[slot / Self.pieceSlots] = true
        }
    }

    /// Writes what is not empty to its place in a file.
    func write(to file: any StorageFile) throws(StoreError) {
        for piece in used.indices where used[piece] {
            let start = piece * Self.pieceSlots
            let bytes = (start..<min(start + Self.pieceSlots, count)).flatMap { slot in
                withUnsafeBytes(of: slots[slot].bigEndian, Array.init)
            }
            try file.write(bytes, at: IndexLayout.slotsPosition + Int64(start * 4))
        }
    }
}
