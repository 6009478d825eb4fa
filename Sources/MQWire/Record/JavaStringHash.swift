/// `java.lang.String.hashCode`: s[0]·31^(n-1) + … + s[n-1] over UTF-16 units, with 32-bit wrap-around.
///
/// A consume queue stores it for a message's tag, and subscriptions carry it, so both sides must agree on it.
public enum JavaStringHash {
    /// The hash of `text`, exactly as a JVM computes it.
    public static func hash(_ text: some StringProtocol) -> Int32 {
        var result: Int32 = 0
        for unit in text.utf16 { result = result &* 31 &+ Int32(unit) }
        return result
    }
}
