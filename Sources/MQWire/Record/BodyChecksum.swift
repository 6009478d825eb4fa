import CChecksum
public import NIOCore

/// CRC-32 as `java.util.zip.CRC32` computes it (IEEE 802.3, reflected polynomial 0xEDB88320).
///
/// RocketMQ clears the highest bit before it stores the sum (`bodyCRC`), so that Java reads it as a non-negative
/// `int`; ``body(_:)`` does the same and is what a record carries. Every record is summed on the way in and again in
/// recovery: where the processor multiplies without carries 64 bytes are taken at a time, elsewhere 8 ("slicing by 8",
/// Kounavis and Berry, Intel 2005).
public enum BodyChecksum {
    /// The sum that a record stores for `body`: CRC-32 without its highest bit.
    public static func body(_ body: ByteBuffer) -> UInt32 {
        body.withUnsafeReadableBytes { crc32($0) } & 0x7FFF_FFFF
    }

    /// The sum that a record stores for these bytes: CRC-32 without its highest bit.
    public static func body(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        crc32(bytes) & 0x7FFF_FFFF
    }

    /// The plain CRC-32 of these bytes.
    public static func crc32(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        guard canFold, bytes.count >= foldedBytes, let start = bytes.baseAddress else {
            return ~sliced(bytes, from: 0xFFFF_FFFF)
        }
        let whole = bytes.count - bytes.count % 16
        let sum = checksum_fold(0xFFFF_FFFF, start, whole)
        return ~sliced(UnsafeRawBufferPointer(rebasing: bytes[whole...]), from: sum)
    }

    private static let canFold = checksum_can_fold() != 0
    /// The fewest bytes that are folded.
    private static let foldedBytes = 64

    /// Carries the inverted sum on over these bytes by tables.
    static func sliced(_ bytes: UnsafeRawBufferPointer, from inverted: UInt32) -> UInt32 {
        tables.withUnsafeBufferPointer { table in
            var sum = inverted
            var index = 0
            let wide = bytes.count - bytes.count % 8
            while index < wide {
                let low = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt32.self)) ^ sum
                let high = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index + 4, as: UInt32.self))
                sum =
                    table[7 * 256 + Int(low & 0xFF)] ^ table[6 * 256 + Int((low >> 8) & 0xFF)]
                    ^ table[5 * 256 + Int((low >> 16) & 0xFF)] ^ table[4 * 256 + Int(low >> 24)]
                sum ^=
                    table[3 * 256 + Int(high & 0xFF)] ^ table[2 * 256 + Int((high >> 8) & 0xFF)]
                    ^ table[256 + Int((high >> 16) & 0xFF)] ^ table[Int(high >> 24)]
                index += 8
            }
            while index < bytes.count {
                sum = table[Int((sum ^ UInt32(bytes[index])) & 0xFF)] ^ (sum >> 8)
                index += 1
            }
            return sum
        }
    }

    /// Eight tables of 256 sums; table `n` advances a byte that stands `n` bytes before the end of the group.
    private static let tables: [UInt32] = {
        var all = [UInt32](repeating: 0, count: 8 * 256)
        for value in 0..<256 {
            var sum = UInt32(value)
            for _ in 0..<8 { sum = sum & 1 == 1 ? (sum >> 1) ^ 0xEDB8_8320 : sum >> 1 }
            all[value] = sum
        }
        for table in 1..<8 {
            for value in 0..<256 {
                let previous = all[(table - 1) * 256 + value]
                all[table * 256 + value] = all[Int(previous & 0xFF)] ^ (previous >> 8)
            }
        }
        return all
    }()
}
