/// The id a broker gives a message: where it lies.
///
/// ```
/// ┌──────────────────────┬────────┬─────────────┐
/// │ address 4 (IPv6: 16) │ port 4 │ logOffset 8 │   as 32 (IPv6: 56) upper-case hex digits
/// └──────────────────────┴────────┴─────────────┘
/// ```
public struct OffsetMessageID: Sendable, Hashable, CustomStringConvertible {
    /// The broker that stored the message.
    public let host: RecordHost
    /// The record's position in that broker's commit log, in bytes.
    public let logOffset: Int64

    /// The id of the record at `logOffset` of the broker `host`.
    public init(host: RecordHost, logOffset: Int64) {
        self.host = host
        self.logOffset = logOffset
    }

    /// Reads an id; `nil` unless it has 32 or 56 hex digits.
    public init?(_ text: String) {
        guard let bytes = HexText.decode(text), bytes.count == 16 || bytes.count == 28 else { return nil }
        let addressBytes = bytes.count - 12
        host = RecordHost(
            address: Array(bytes[..<addressBytes]),
            port: Int32(truncatingIfNeeded: bytes[addressBytes..<(addressBytes + 4)].bigEndianValue))
        logOffset = Int64(bitPattern: bytes[(addressBytes + 4)...].bigEndianValue)
    }

    /// The hex digits.
    public var description: String {
        String(unsafeUninitializedCapacity: 56) { target in
            // Each answer to a send has one: no list of its parts is made.
            var place = host.writeAddressDigits(to: target)
            place = HexText.write(UInt64(UInt32(bitPattern: host.port)), bytes: 4, to: target, at: place)
            return HexText.write(UInt64(bitPattern: logOffset), bytes: 8, to: target, at: place)
        }
    }
}
