public import MQStore
import MQWire
import NIOCore
public import SystemPackage

/// Which store this is: the incarnation in a file of the store's own, drawn anew whenever it may have lost what it once had.
///
/// A member of the in-sync set is a broker *and* its incarnation. So whoever comes back without what it had said to have is
/// no member by its old place, whatever the set says.
public struct ReplicaIdentity: Sendable {
    /// What the last process found and did with the store.
    public struct Past: Sendable {
        /// Whether it was closed with all of it on the disk.
        public var wasCleanStop: Bool
        /// Whether something that was on the disk is gone, or went bad.
        public var isDamaged: Bool

        public init(wasCleanStop: Bool, isDamaged: Bool) {
            self.wasCleanStop = wasCleanStop
            self.isDamaged = isDamaged
        }
    }

    public let incarnation: UInt64

    private static let title = "seatrial replica 1"

    /// Reads the identity of the store below `root`, or draws one, and has it on the disk before it is used.
    ///
    /// - Parameter countsFlushed: whether the store will say to have only what is on its disk. What was said before, by the
    ///   setting of that time, decides on what a crash means.
    /// - Throws: ``MQStore/StoreError`` when the file can be neither read nor written.
    public init(root: FilePath, past: Past, countsFlushed: Bool) throws(StoreError) {
        let file = ReplacedFile(root.appending("replica"))
        let saved = try file.load().flatMap { Self.parse(String(decoding: $0, as: UTF8.self)) }
        if let saved, !past.isDamaged, past.wasCleanStop || saved.countedFlushed {
            incarnation = saved.incarnation
            if saved.countedFlushed == countsFlushed { return }
        } else {
            incarnation = .random(in: 1...UInt64.max)
        }
        let text = Self.text(incarnation, countsFlushed: countsFlushed)
        try file.save(Array(text.utf8))
    }

    /// A title, the incarnation with what it counts, and a sum over both lines.
    private static func text(_ incarnation: UInt64, countsFlushed: Bool) -> String {
        let text = "\(title)\n\(String(incarnation, radix: 16)) \(countsFlushed ? "flushed" : "written")\n"
        return text + "sum \(sum(text))\n"
    }

    /// A file that went bad says nothing: another incarnation is drawn then.
    private static func parse(_ text: String) -> (incarnation: UInt64, countedFlushed: Bool)? {
        let lines = text.split(separator: "\n")
        guard lines.count == 3, lines[0] == title else { return nil }
        let words = lines[1].split(separator: " ")
        guard words.count == 2, let incarnation = UInt64(words[0], radix: 16), incarnation != 0,
            words[1] == "flushed" || words[1] == "written",
            text == Self.text(incarnation, countsFlushed: words[1] == "flushed")
        else { return nil }
        return (incarnation, words[1] == "flushed")
    }

    private static func sum(_ text: String) -> UInt32 { BodyChecksum.body(ByteBuffer(string: text)) }
}
