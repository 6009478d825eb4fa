public import NIOCore

/// An address and a port as a record stores them: 4 or 16 address bytes, then the port in 4 bytes.
public struct RecordHost: Sendable, Hashable, CustomStringConvertible {
    // Numbers and no array: every message carries two of these.
    fileprivate let high: UInt64
    fileprivate let low: UInt64
    /// The TCP port.
    public let port: Int32
    /// Whether the address has 16 bytes; `sysFlag` must then say so.
    public let isIPv6: Bool

    /// Takes an address of 4 or 16 bytes in network order; any other count is the caller's mistake.
    public init(address: some Collection<UInt8>, port: Int32) {
        precondition(address.count == 4 || address.count == 16, "an address has 4 or 16 bytes, not \(address.count)")
        isIPv6 = address.count == 16
        func number(_ bytes: some Sequence<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        high = isIPv6 ? number(address.prefix(8)) : 0
        low = number(address.suffix(isIPv6 ? 8 : 4))
        self.port = port
    }

    fileprivate init(ipv4 address: UInt32, port: Int32) {
        (high, low, isIPv6, self.port) = (0, UInt64(address), false, port)
    }

    fileprivate init(ipv6 high: UInt64, _ low: UInt64, port: Int32) {
        (self.high, self.low, isIPv6, self.port) = (high, low, true, port)
    }

    /// The address in network order: 4 bytes (IPv4) or 16 (IPv6).
    public var address: [UInt8] {
        func bytes(_ number: UInt64, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * (count - 1 - $0))) }
        }
        return isIPv6 ? bytes(high, 8) + bytes(low, 8) : bytes(low, 4)
    }

    /// Takes the numeric address of a socket; `nil` for a Unix-domain socket.
    public init?(_ socket: SocketAddress) {
        guard let port = socket.port else { return nil }
        // `sockaddr_in` keeps its address at byte 4, `sockaddr_in6` at byte 8.
        let (start, count) = socket.protocol == .inet6 ? (8, 16) : (4, 4)
        self = socket.withSockAddr { pointer, size in
            RecordHost(
                address: UnsafeRawBufferPointer(start: pointer, count: size)[start..<(start + count)],
                port: Int32(port))
        }
    }

    /// Reads a numeric IPv4 or IPv6 address; `nil` when `address` is a name or malformed.
    public init?(numeric address: String, port: Int32) {
        guard let socket = try? SocketAddress(ipAddress: address, port: Int(port)) else { return nil }
        self.init(socket)
    }

    /// 127.0.0.1, port 0: what stands in where no address is known.
    public static let loopback = RecordHost(address: [127, 0, 0, 1], port: 0)

    /// Writes the address in hexadecimal digits, of which there are 8 or 32; gives their number.
    func writeAddressDigits(to target: UnsafeMutableBufferPointer<UInt8>) -> Int {
        guard isIPv6 else { return HexText.write(low, bytes: 4, to: target, at: 0) }
        return HexText.write(low, bytes: 8, to: target, at: HexText.write(high, bytes: 8, to: target, at: 0))
    }

    /// How many bytes this host takes in a record: 8 or 20.
    public var encodedSize: Int { isIPv6 ? 20 : 8 }

    /// The address without its port, `10.0.0.1` or `fe80:0:…`.
    public var addressText: String {
        let address = address
        if address.count == 4 { return address.map(String.init).joined(separator: ".") }
        return stride(from: 0, to: 16, by: 2).map { index in
            String(UInt16(address[index]) << 8 | UInt16(address[index + 1]), radix: 16)
        }.joined(separator: ":")
    }

    /// `10.0.0.1:10911`, and `[fe80:0:…]:10911` for IPv6.
    public var description: String { isIPv6 ? "[\(addressText)]:\(port)" : "\(addressText):\(port)" }
}

extension ByteWriter {
    /// The address bytes, and the port in 4 bytes.
    mutating func host(_ host: RecordHost) {
        if host.isIPv6 {
            integer(host.high)
            integer(host.low)
        } else {
            integer(UInt32(truncatingIfNeeded: host.low))
        }
        integer(host.port)
    }
}

extension ByteBuffer {

    /// Reads 8 or 20 bytes; `nil`, and nothing consumed, when fewer are there.
    public mutating func readRecordHost(ipv6: Bool) -> RecordHost? {
        if ipv6 {
            guard let (high, low, port) = readMultipleIntegers(as: (UInt64, UInt64, Int32).self) else { return nil }
            return RecordHost(ipv6: high, low, port: port)
        }
        guard let (address, port) = readMultipleIntegers(as: (UInt32, Int32).self) else { return nil }
        return RecordHost(ipv4: address, port: port)
    }
}
