/// Which nameserver to ask: a random one at first, the same as long as it answers, the next one when it fails.
struct NameserverChoice: Sendable {
    let addresses: [String]
    private var index: Int

    /// Starts at a random place; `addresses` may be empty, and then there is no ``current``.
    init(addresses: [String], using generator: inout some RandomNumberGenerator) {
        self.addresses = addresses
        index = addresses.isEmpty ? 0 : Int.random(in: addresses.indices, using: &generator)
    }

    var current: String? { addresses.isEmpty ? nil : addresses[index] }

    /// Moves on from `address`, unless someone else has moved on already.
    mutating func failed(_ address: String) {
        guard address == current else { return }
        index = (index + 1) % addresses.count
    }
}
