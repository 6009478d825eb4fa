import MQStore
import MQWire

/// How far each consumer group has consumed each queue. Pure; saved as `consumerOffset.json`.
struct ConsumerOffsetTable: Sendable {
    private var offsets: [Key: [Int32: Int64]] = [:]
    /// Whether it changed since it was last saved.
    var isDirty = false

    private struct Key: Hashable, Sendable {
        var topic: String
        var group: String
    }

    init() {}

    /// Reads `{"offsetTable":{"topic@group":{0:11,…}}}`.
    init(json: JSONValue) {
        for entry in json["offsetTable"]?.objectValue ?? [] {
            guard let at = entry.key.lastIndex(of: "@") else { continue }
            let key = Key(
                topic: String(entry.key[..<at]), group: String(entry.key[entry.key.index(after: at)...]))
            for queue in entry.value.objectValue ?? [] {
                guard let queueID = Int32(queue.key), let offset = queue.value.integerValue else { continue }
                offsets[key, default: [:]][queueID] = offset
            }
        }
    }

    var json: JSONValue {
        let members = offsets.map { key, queues in
            JSONMember(
                "\(key.topic)@\(key.group)",
                .object(queues.sorted { $0.key < $1.key }.map { JSONMember(String($0.key), .integer($0.value)) }))
        }
        return ["offsetTable": .object(members.sorted { $0.key < $1.key })]
    }

    /// The next message the group wants; `nil` when it never committed.
    func offset(group: String, queue: QueueKey) -> Int64? {
        offsets[Key(topic: queue.topic, group: group)]?[queue.queueID]
    }

    /// The topics that a group has offsets of, sorted.
    func topics(of group: String) -> [String] { offsets.keys.filter { $0.group == group }.map(\.topic).sorted() }

    /// The groups that have offsets of a topic, sorted.
    func groups(of topic: String) -> [String] { offsets.keys.filter { $0.topic == topic }.map(\.group).sorted() }

    /// Takes the group's word for it, backwards too: a consumer may reset itself.
    mutating func commit(group: String, queue: QueueKey, offset: Int64) {
        let key = Key(topic: queue.topic, group: group)
        guard offsets[key]?[queue.queueID] != offset else { return }
        offsets[key, default: [:]][queue.queueID] = offset
        isDirty = true
    }

    /// Sets a group to where another one is.
    mutating func clone(topic: String, from source: String, to target: String) {
        guard let queues = offsets[Key(topic: topic, group: source)] else { return }
        offsets[Key(topic: topic, group: target)] = queues
        isDirty = true
    }

    /// The least offset of each queue among all groups but some.
    ///
    /// - Parameter first: a queue's first message; a group that stands before it is long dead, and does not count.
    func leastOffsets(
        of topic: String, leavingOut groups: Set<String>, from first: (Int32) -> Int64
    ) -> [Int32: Int64] {
        var least: [Int32: Int64] = [:]
        for (key, queues) in offsets where key.topic == topic && !groups.contains(key.group) {
            least.merge(queues.filter { $0.value >= first($0.key) }) { min($0, $1) }
        }
        return least
    }

    /// Takes over a master's table.
    mutating func replace(with other: ConsumerOffsetTable) {
        guard offsets != other.offsets else { return }
        offsets = other.offsets
        isDirty = true
    }

    /// Forgets a group that was deleted.
    mutating func forget(group: String) {
        offsets = offsets.filter { $0.key.group != group }
        isDirty = true
    }

    /// Forgets a topic that was deleted.
    mutating func forget(topic: String) {
        offsets = offsets.filter { $0.key.topic != topic }
        isDirty = true
    }
}
