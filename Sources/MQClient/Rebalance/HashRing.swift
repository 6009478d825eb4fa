/// Members on a ring of hashes, each at several places. Source: RocketMQ 4.9, ConsistentHashRouter.
struct HashRing: Sendable {
    private let places: [(hash: UInt32, member: String)]

    init(members: [String], virtualNodes: Int) {
        var places: [UInt32: String] = [:]
        for member in members {
            for index in 0..<max(1, virtualNodes) { places[Self.hash("\(member)-\(index)")] = member }
        }
        self.places = places.map { ($0.key, $0.value) }.sorted { $0.hash < $1.hash }
    }

    /// Who comes first at or after the key's hash, around the end if need be.
    func member(for key: String) -> String? {
        let hash = Self.hash(key)
        return (places.first { $0.hash >= hash } ?? places.first)?.member
    }

    private static func hash(_ text: String) -> UInt32 {
        MD5.digest(Array(text.utf8)).prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }
}
