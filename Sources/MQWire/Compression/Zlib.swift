public import NIOCore

/// The zlib format (RFC 1950) around deflate (RFC 1951): compressed registrations and message bodies.
///
/// Written out here because nothing else of the daemons needs the C library, and its streams come from peers: every
/// length is checked, and what comes out is bounded.
public enum Zlib {
    /// Unpacks a stream, up to `limitBytes`; the sum at its end must be right.
    public static func inflate(_ packed: ByteBuffer, limitBytes: Int) throws(ZlibError) -> ByteBuffer {
        let bytes = Array(packed.readableBytesView)
        guard bytes.count >= 6 else { throw .malformed(reason: "\(bytes.count) bytes are too few") }
        let header = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        guard bytes[0] & 0x0F == 8, header % 31 == 0 else { throw .malformed(reason: "its header is wrong") }
        guard bytes[1] & 0x20 == 0 else { throw .malformed(reason: "it needs a dictionary") }
        var inflater = Inflater(bytes: bytes, from: 2, limitBytes: limitBytes)
        let output = try inflater.run()
        let tail = inflater.position
        guard tail + 4 <= bytes.count else { throw .malformed(reason: "its sum is missing") }
        let sum = bytes[tail..<tail + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard sum == adler32(output) else { throw .malformed(reason: "its sum is wrong") }
        return ByteBuffer(bytes: output)
    }

    /// Packs bytes into one block with the fixed code: good for texts that repeat themselves.
    public static func deflate(_ plain: ByteBuffer) -> ByteBuffer {
        let bytes = Array(plain.readableBytesView)
        var output: [UInt8] = [0x78, 0x9C]
        var deflater = Deflater()
        output += deflater.run(bytes)
        var buffer = ByteBuffer(bytes: output)
        buffer.writeInteger(adler32(bytes))
        return buffer
    }

    /// RFC 1950, section 8.2.
    static func adler32(_ bytes: [UInt8]) -> UInt32 {
        var low: UInt32 = 1
        var high: UInt32 = 0
        for byte in bytes {
            low = (low + UInt32(byte)) % 65_521
            high = (high + low) % 65_521
        }
        return high << 16 | low
    }

    /// RFC 1951, section 3.2.5: the first length of each length symbol, from 257 on, and its further bits.
    static let lengthBases: [Int] = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
        258,
    ]
    static let lengthBits: [Int] = [
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
    ]
    /// The same for distances.
    static let distanceBases: [Int] = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
        6145, 8193, 12289, 16385, 24577,
    ]
    static let distanceBits: [Int] = [
        0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
    ]
    /// The code lengths of the fixed code.
    static let fixedLengths =
        [UInt8](repeating: 8, count: 144) + [UInt8](repeating: 9, count: 112) + [UInt8](repeating: 7, count: 24)
        + [UInt8](repeating: 8, count: 8)
}
