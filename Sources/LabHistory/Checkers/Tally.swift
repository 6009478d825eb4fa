/// A count with the witness of its first case.
struct Tally: Sendable {
    private(set) var count = 0
    private(set) var first: Witness?

    /// Counts one case; the witness is made for the first alone.
    mutating func add(_ witness: @autoclosure () -> Witness) {
        if count == 0 { first = witness() }
        count += 1
    }
}
