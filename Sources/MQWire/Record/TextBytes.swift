/// A text as a key that is compared by its bytes, as peers compare it.
///
/// Swift takes two spellings of one character for the same text; to a peer they are two names.
struct TextBytes: Hashable {
    let text: String

    init(_ text: String) { self.text = text }

    /// Whether two texts have the same bytes. Most that differ do so in length, or to Swift as well.
    @inline(__always)
    static func areEqual(_ left: String, _ right: String) -> Bool {
        left.utf8.count == right.utf8.count && left == right && left.utf8.elementsEqual(right.utf8)
    }

    static func == (left: TextBytes, right: TextBytes) -> Bool { areEqual(left.text, right.text) }

    func hash(into hasher: inout Hasher) {
        // Texts that Swift takes for one have one hash; that they are two is for the comparison to find.
        hasher.combine(text)
    }
}
