/// How the members of a consumer group divide a topic's queues among them, without asking each other.
///
/// Every member computes its share alone from the same sorted lists; the lists agree sooner or later, and so do the
/// shares. Members of other implementations compute the same. Source: RocketMQ 4.9, AllocateMessageQueue strategies.
public enum RebalanceStrategy: Sendable, Hashable {
    /// Neighbouring queues to each member; the first members get one more when it does not come out even.
    case average
    /// One queue after the other around the members.
    case averageByCircle
    /// These queues whatever the others have.
    case fixed([MessageQueue])
    /// Averaged over the queues of brokers in these rooms only; a broker's name is `room@name`.
    case machineRoom(Set<String>)
    /// To the next member on a ring of hashes, so that few queues move when a member comes or goes.
    case consistentHash(virtualNodes: Int = 10)

    /// A member's share.
    ///
    /// - Parameter queues: the topic's queues, in any order.
    /// - Parameter members: the group's client ids, in any order; nobody gets a queue who is not among them.
    /// - Parameter member: the client id of the one whose share it is.
    public func share(of queues: [MessageQueue], among members: [String], for member: String) -> [MessageQueue] {
        let queues = queues.sorted()
        let members = members.sorted()
        guard let index = members.firstIndex(of: member) else { return [] }
        switch self {
        case .average: return Self.average(queues, index, of: members.count)
        case .averageByCircle:
            return stride(from: index, to: queues.count, by: members.count).map { queues[$0] }
        case .fixed(let own):
            let own = Set(own)
            return queues.filter { own.contains($0) }
        case .machineRoom(let rooms): return Self.machineRoom(queues, rooms, index, of: members.count)
        case .consistentHash(let nodes):
            let ring = HashRing(members: members, virtualNodes: nodes)
            return queues.filter { ring.member(for: Self.javaText($0)) == member }
        }
    }

    private static func average(_ queues: [MessageQueue], _ index: Int, of count: Int) -> [MessageQueue] {
        let surplus = queues.count % count
        let least = queues.count / count
        let start = index * least + min(index, surplus)
        return Array(queues[start..<start + least + (index < surplus ? 1 : 0)])
    }

    private static func machineRoom(
        _ queues: [MessageQueue], _ rooms: Set<String>, _ index: Int, of count: Int
    ) -> [MessageQueue] {
        let near = queues.filter { queue in
            let parts = queue.brokerName.split(separator: "@", omittingEmptySubsequences: false)
            return parts.count == 2 && rooms.contains(String(parts[0]))
        }
        let least = near.count / count
        var share = Array(near[index * least..<(index + 1) * least])
        // What does not come out even lies at the end, unlike with `average`.
        if index < near.count % count { share.append(near[least * count + index]) }
        return share
    }

    /// A queue as Java prints it, which is what its ring hashes.
    private static func javaText(_ queue: MessageQueue) -> String {
        "MessageQueue [topic=\(queue.topic), brokerName=\(queue.brokerName), queueId=\(queue.queueID)]"
    }
}
