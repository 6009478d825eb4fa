/// 64-bit FNV-1a, by which the body that came back is held against the body that was sent.
///
/// Any single-byte change alters it; it guards against damage, not against malice.
/// Source: Fowler, Noll, Vo; offset basis and prime as in draft-eastlake-fnv.
public enum BodyHash {
    public static func of(_ bytes: some Sequence<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes {
            hash ^= UInt64(byte)
            hash = hash &* 0x0000_0100_0000_01b3
        }
        return hash
    }
}
