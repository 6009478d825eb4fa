/// The id a client gives a message before it is sent (property `UNIQ_KEY`); it survives retries and batches.
///
/// ```
/// ┌───────────┬───────┬──────────────┬────────────────────────────────────┬───────────┐
/// │ address 4 │ pid 2 │ loaderHash 4 │ milliseconds since the month began │ counter 2 │  as 32 hex digits
/// └───────────┴───────┴──────────────┴──────────────────4─────────────────┴───────────┘
/// ```
/// With an IPv6 address there are 16 address bytes and 56 digits. The loader hash tells two class loaders of one JVM
/// apart; other clients put any stable number there.
public struct UniqueMessageID: Sendable, Hashable, CustomStringConvertible {
    /// The client's address: 4 or 16 bytes.
    public let address: [UInt8]
    /// The low 16 bits of the client's process id.
    public let processID: UInt16
    /// What tells two senders of one process apart.
    public let loaderHash: UInt32
    /// Milliseconds since the first of the month, modulo 2^32.
    public let monthMilliseconds: UInt32
    /// Counts messages, modulo 2^16.
    public let counter: UInt16

    /// An id of these parts; an address has 4 or 16 bytes.
    public init(address: [UInt8], processID: UInt16, loaderHash: UInt32, monthMilliseconds: UInt32, counter: UInt16) {
        precondition(address.count == 4 || address.count == 16, "an address has 4 or 16 bytes, not \(address.count)")
        self.address = address
        self.processID = processID
        self.loaderHash = loaderHash
        self.monthMilliseconds = monthMilliseconds
        self.counter = counter
    }

    /// Reads an id; `nil` unless it has 32 or 56 hex digits.
    public init?(_ text: String) {
        guard let bytes = HexText.decode(text), bytes.count == 16 || bytes.count == 28 else { return nil }
        let rest = bytes.count - 12
        address = Array(bytes[..<rest])
        processID = UInt16(truncatingIfNeeded: bytes[rest..<(rest + 2)].bigEndianValue)
        loaderHash = UInt32(truncatingIfNeeded: bytes[(rest + 2)..<(rest + 6)].bigEndianValue)
        monthMilliseconds = UInt32(truncatingIfNeeded: bytes[(rest + 6)..<(rest + 10)].bigEndianValue)
        counter = UInt16(truncatingIfNeeded: bytes[(rest + 10)...].bigEndianValue)
    }

    /// The hex digits.
    public var description: String {
        HexText.encode(
            address.map { (UInt64($0), 1) } + [
                (UInt64(processID), 2), (UInt64(loaderHash), 4), (UInt64(monthMilliseconds), 4), (UInt64(counter), 2),
            ])
    }
}
