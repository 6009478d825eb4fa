public import NIOCore

/// An address and a port as a record stores them: 4 or 16 address bytes, then the port in 4 bytes.
public struct RecordHost: Sendable, Hashable, CustomStringConvertible {
    /// The address in network order: 4 bytes (IPv4) or 16 (IPv6).
    public let address: [UInt8]
    /// The TCP port.
    public let port: Int32

    /// Takes an address of 4 or 16 bytes; any other count is the caller's mistake.
    public init(address: [UInt8], port: Int32) {
        precondition(address.count == 4 || address.count == 16, "an address has 4 or 16 bytes, not \(address.count)")
        self.address = address
        self.port = port
    }

    /// Takes the numeric address of a socket; `nil` for a Unix-domain socket.
    public init?(_ socket: SocketAddress) {
        guard let port = socket.port else { return nil }
        // `sockaddr_in` keeps its address at byte 4, `sockaddr_in6` at byte 8.
        let (start, count) = socket.protocol == .inet6 ? (8, 16) : (4, 4)
        let address = socket.withSockAddr { pointer, size in
            Array(UnsafeRawBufferPointer(start: pointer, count: size)[start..<(start + count)])
        }
        self.init(address: address, port: Int32(port))
    }

    /// Reads a numeric IPv4 or IPv6 address; `nil` when `address` is a name or malformed.
    public init?(numeric address: String, port: Int32) {
        guard let socket = try? SocketAddress(ipAddress: address, port: Int(port)) else { return nil }
        self.init(socket)
    }

    /// 127.0.0.1, port 0: what stands in where no address is known.
    public static let loopback = RecordHost(address: [127, 0, 0, 1], port: 0)

    /// Whether the address has 16 bytes; `sysFlag` must then say so.
    public var isIPv6: Bool { address.count == 16 }
    /// How many bytes this host takes in a record: 8 or 20.
    public var encodedSize: Int { address.count + 4 }

    /// The address without its port, `10.0.0.1` or `fe80:0:…`.
    public var addressText: String {
        if address.count == 4 { return address.map(String.init).joined(separator: ".") }
        return stride(from: 0, to: 16, by: 2).map { index in
            String(UInt16(address[index]) << 8 | UInt16(address[index + 1]), radix: 16)
        }.joined(separator: ":")
    }

    /// `10.0.0.1:10911`, and `[fe80:0:…]:10911` for IPv6.
    public var description: String { isIPv6 ? "[\(addressText)]:\(port)" : "\(addressText):\(port)" }
}

extension ByteBuffer {
    /// Appends the address bytes and the port in 4 bytes.
    public mutating func writeRecordHost(_ host: RecordHost) {
        writeBytes(host.address)
        writeInteger(host.port)
    }

    /// Reads 8 or 20 bytes; `nil`, and nothing consumed, when fewer are there.
    public mutating func readRecordHost(ipv6: Bool) -> RecordHost? {
        let size = ipv6 ? 16 : 4
        guard readableBytes >= size + 4, let address = readBytes(length: size), let port = readInteger(as: Int32.self)
        else { return nil }
        return RecordHost(address: address, port: port)
    }
}
