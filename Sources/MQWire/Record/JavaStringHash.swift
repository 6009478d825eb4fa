/// `java.lang.String.hashCode`: s[0]·31^(n-1) + … + s[n-1] over UTF-16 units, with 32-bit wrap-around.
///
/// A consume queue stores it for a message's tag, and subscriptions carry it, so both sides must agree on it.
public enum JavaStringHash {
    /// The hash of `text`, exactly as a JVM computes it.
    ///
    /// - Parameter prefix: the hash of what stands before `text`, whose hash together with it is wanted.
    public static func hash(_ text: some StringProtocol, after prefix: Int32 = 0) -> Int32 {
        // ASCII, as nearly every text is, has one unit for each byte.
        let known: Int32?? = text.utf8.withContiguousStorageIfAvailable { bytes in
            Self.ascii(UnsafeRawBufferPointer(bytes), after: prefix)
        }
        if case .some(.some(let result)) = known { return result }
        var result = prefix
        for unit in text.utf16 { result = result &* 31 &+ Int32(unit) }
        return result
    }

    /// The same of a text that stands there in UTF-8.
    public static func hash(utf8 bytes: UnsafeRawBufferPointer, after prefix: Int32 = 0) -> Int32 {
        ascii(bytes, after: prefix) ?? hash(String(decoding: bytes, as: UTF8.self), after: prefix)
    }

    /// The hash of ASCII, `nil` for anything else.
    private static func ascii(_ bytes: UnsafeRawBufferPointer, after prefix: Int32) -> Int32? {
        var result = prefix
        for byte in bytes {
            if byte >= 0x80 { return nil }
            result = result &* 31 &+ Int32(byte)
        }
        return result
    }
}
