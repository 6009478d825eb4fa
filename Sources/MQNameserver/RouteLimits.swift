/// What brokers, and whoever says to be one, can make a nameserver remember.
///
/// Apache's has no such bounds: anybody who reaches its port can fill its memory with invented brokers and topics.
public struct RouteLimits: Sendable, Equatable {
    /// Broker processes at most. The largest clusters known have some hundreds.
    public var brokers = 4096
    /// The longest name or address, in bytes. A group's retry topic has 262 at most.
    public var nameBytes = 512
    /// What the topics of all broker sets take together, in bytes: ``topicBytes(_:)`` each. Room for 16 masters with
    /// 50,000 topics each.
    public var tableBytes = 256 << 20

    /// The defaults.
    public init() {}

    /// What one topic of one broker set counts for: its name and what stands with it.
    static func topicBytes(_ name: String) -> Int { name.utf8.count + 128 }

    /// Why a registration is not taken.
    public struct Refusal: Error, Equatable, CustomStringConvertible {
        /// Fit for a remark.
        public let description: String
    }

    /// Throws unless a name may be remembered.
    func check(_ name: String, _ field: String, mayBeEmpty: Bool = false) throws(Refusal) {
        guard mayBeEmpty || !name.isEmpty else { throw Refusal(description: "\(field) is empty") }
        guard name.utf8.count <= nameBytes else {
            throw Refusal(description: "\(field) has \(name.utf8.count) bytes (at most \(nameBytes))")
        }
    }
}
