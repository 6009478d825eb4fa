/// A value of the run as its place in the ledger: 8 bytes, so that millions of them fit.
struct ValueKey: Hashable, Sendable, Comparable {
    let bits: UInt64

    init(bits: UInt64) { self.bits = bits }

    init(producerSlot: Int, sequence: Int) {
        precondition(producerSlot < 1 << 16 && sequence < 1 << 48, "\(producerSlot), \(sequence)")
        bits = UInt64(producerSlot) << 48 | UInt64(sequence)
    }

    var producerSlot: Int { Int(bits >> 48) }
    var sequence: Int { Int(bits & (1 << 48 - 1)) }

    static func < (a: ValueKey, b: ValueKey) -> Bool { a.bits < b.bits }
}
